# Both targets set everything up; without make: python3 run.py demo, python3 run.py test
PYTHON ?= python3

.PHONY: demo test

demo:
	$(PYTHON) run.py demo

test:
	$(PYTHON) run.py test
