from model_store import errors


def test_every_error_can_be_caught_as_the_stores() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]

    assert all(issubclass(cls, errors.ModelStoreError) for cls in classes)


def test_the_drawing_names_every_error() -> None:
    drawing = errors.__doc__ or ""
    names = {name for name, value in vars(errors).items() if isinstance(value, type)} - {"ModelStoreError"}

    assert {name for name in names if name not in drawing} == set()


def test_corruption_names_the_file_and_both_checksums() -> None:
    error = errors.CorruptVersion("mnist/1/weights.safetensors", expected="sha256:aa", actual="sha256:bb")

    assert str(error) == "mnist/1/weights.safetensors: expected sha256:aa, found sha256:bb"
    assert (error.file, error.expected, error.actual) == ("mnist/1/weights.safetensors", "sha256:aa", "sha256:bb")
