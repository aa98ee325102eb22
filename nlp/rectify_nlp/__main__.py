"""`python -m rectify_nlp`."""

from rectify_nlp.cli import main

if __name__ == "__main__":
    main()
