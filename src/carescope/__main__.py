"""``python -m carescope`` is the command ``carescope``."""

from carescope.app.cli import main

if __name__ == "__main__":
    main()
