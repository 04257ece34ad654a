# The targets that need the solved tree. A student's tree does not have this file.

TESTS ?= grade/system# what make check runs, and make stress
CHECK = $(PYTHON) -m pytest -n $(JOBS) $(TESTS)

.PHONY: stress oracle known-wrong known-wrong-steps labs release batch alike gradebook regrade gradescope prairielearn autolab matrix staircase steps figures

check stress: build/tools-browser build/tools-book build/tools-alike build/tools-shells
stress: build/tools-slurm

stress: all build/tools-check ## the long tests: TESTS=file (of check, too)
	@$(PYTHON) -m pytest -n $(JOBS) --long $(TESTS)

oracle: all build/tools-check ## calls at random, here and on this Linux: SEED=1..200
	@$(PYTHON) grade/system/oracle.py --jobs $(JOBS) $(if $(SEED),--seed '$(SEED)') \
		$(if $(CALLS),--calls $(CALLS))

known-wrong: all build/tools-check ## grade every known-wrong solution (ID=G some, EVERY=1)
	@$(PYTHON) grade/known_wrong/run.py --jobs $(JOBS) $(if $(EVERY),--every) $(ID)

known-wrong-steps: all build/tools-check ## make each mistake in unfinished solutions (ID=G some)
	@$(PYTHON) grade/known_wrong/steps.py --jobs $(JOBS) $(ID)

labs: ## make the labs' branches from the commit that is checked out
	@$(PYTHON) labs/branches.py

release: ## make what students clone: LAB=2 OUT=../students
	@$(PYTHON) labs/release.py $(if $(LAB),--lab '$(LAB)')

batch: build/tools-grade ## grade all in IN=dir: OUT=dir LAB=3 JOBS=n ENGINE=slurm
	@$(PYTHON) labs/batch.py --jobs $(JOBS) $(if $(ENGINE),--engine '$(ENGINE)') \
		$(if $(LAB),--lab $(LAB)) $(if $(SEED),--seed $(SEED))

alike: build/tools-alike ## which hand-ins look alike: IN=dir LAB=3 OUT=dir
	@$(PYTHON) labs/alike.py $(if $(LAB),--lab '$(LAB)')

gradebook: build/tools-grade ## the marks of a course: COURSE=course.toml OUT=dir
	@$(PYTHON) labs/gradebook.py

regrade: build/tools-grade ## grade what was pushed in time: COURSE=file LAB=3 OUT=dir
	@$(PYTHON) labs/regrade.py --jobs $(JOBS) $(if $(ENGINE),--engine '$(ENGINE)') \
		$(if $(LAB),--lab '$(LAB)') $(if $(SEED),--seed $(SEED))

gradescope: build/tools-grade ## what the service grades a lab with: LAB=3 OUT=dir
prairielearn: build/tools-grade ## the same for PrairieLearn
autolab: build/tools-grade ## the same for Autolab
gradescope prairielearn autolab:
	@$(PYTHON) labs/services.py $@ $(if $(LAB),--lab '$(LAB)')

# MATRIX_DIR=dir keeps the other systems elsewhere than in /var/cache.
matrix: build/tools-matrix ## try the tree on other Debians, as root (SUITE=sid SHORT=1)
	@$(PYTHON) labs/matrix.py $(if $(SHORT),--short) $(if $(GRADES),--grades $(GRADES)) \
		$(if $(MATRIX_DIR),--dir '$(MATRIX_DIR)') $(SUITE)

staircase: all build/tools-check ## grade the trees with 0 to 5 labs solved (LAB=3 one)
	@$(PYTHON) labs/staircase.py --jobs $(JOBS) $(LAB)

steps: all build/tools-check ## type each solution in steps, and grade each step (LAB=3 one)
	@$(PYTHON) labs/steps.py --jobs $(JOBS) $(LAB)

figures: ## draw the figures of the handouts and of the book
	@$(PYTHON) labs/figures/draw.py
