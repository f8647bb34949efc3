"""Attacks inside an Linf or L2 ball: one attack a file, all of them `Attack`s (`training/attacks/attack.py`).

The attacks' own work is Foolbox's (Rauber et al., Foolbox Native, JOSS 2020); here they are held to a radius for each
image, and to images that a certificate speaks of. Only the files of Foolbox's attacks and `standard.py` import it.
"""

import os

# Foolbox imports GitPython for a model zoo that is not used here, and that fails where there is no git.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
