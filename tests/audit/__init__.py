"""What `make check` looks for beside style: secrets in tracked files, known holes in what we depend on."""
