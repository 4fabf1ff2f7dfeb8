"""The release that these files are of, for records that must be traceable."""

RELEASE = "0.1.0"  # as CITATION.cff says
