"""CPIX, the Content Protection Information Exchange format of DASH-IF, version 2.3: documents, files, key delivery."""
