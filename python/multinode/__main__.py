"""Makes ``python -m multinode`` the same as ``multinode``."""

from multinode._cli import main

if __name__ == "__main__":
    main()
