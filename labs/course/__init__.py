"""From gradings to a course: marks by the teacher's rules, and pages to look at.

settings reads course.toml; marks knows whose a grading is and what it is worth;
tables and pages show that; overview writes all of it beside the gradings. Nothing
here grades, and nothing here changes a grading.
"""
