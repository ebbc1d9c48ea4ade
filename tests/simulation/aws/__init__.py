"""In-process fakes of the AWS clients that the production code uses."""
