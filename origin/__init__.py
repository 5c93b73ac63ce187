"""Package to publication: immutable versions on S3, and one pointer a title."""
