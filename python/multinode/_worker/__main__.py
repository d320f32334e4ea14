"""``python -m multinode._worker``."""

from multinode._worker.harness import main

if __name__ == "__main__":
    main()
