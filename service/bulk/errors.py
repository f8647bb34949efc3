"""Why a run of bulk scoring ends without its result; of a single image, the error stands in its row."""


class BulkError(Exception):
    """A run that cannot go on."""


class InputError(BulkError):
    """An input that is not what it should be, or changed under the run."""


class OutputError(BulkError):
    """An output that is there already, or that another run writes."""
