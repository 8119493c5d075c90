"""The made-up search of the tests of analysis, for those of the report."""

from mnasnet.analysis.conftest import empty_study as empty_study
from mnasnet.analysis.conftest import finished as finished
from mnasnet.analysis.conftest import study as study
