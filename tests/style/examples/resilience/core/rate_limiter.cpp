void refuse(duration retry_after);
