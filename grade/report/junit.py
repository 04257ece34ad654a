"""A result as JUnit XML, which GitLab, Jenkins and others read."""

from __future__ import annotations

from xml.etree import ElementTree

from .result import Record
from .terminal import details
from .text import xml


def junit(grade: Record) -> str:
    """JUnit XML as pytest, GitLab and Jenkins have it: `error` where the grader
    failed, `failure` for every other test that did not pass."""
    tests = list(grade["tests"])
    errors = sum(test["outcome"] == "error" for test in tests)
    failures = sum(test["outcome"] not in ("pass", "error") for test in tests)
    extra = 1 if grade["error"] else 0
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        suites, "testsuite", name="threshold", errors=str(errors + extra),
        failures=str(failures), skipped="0", tests=str(len(tests) + extra),
        time=f"{grade['seconds']:.3f}", timestamp=grade["started"].rstrip("Z"),
        hostname="localhost")
    for test in tests:
        file, _, name = test["name"].partition("::")
        case = ElementTree.SubElement(
            suite, "testcase", classname=file.removesuffix(".py"), name=xml(name),
            time=f"{test['seconds']:.3f}")
        properties = ElementTree.SubElement(case, "properties")
        for key in ("points", "earned", "outcome"):
            ElementTree.SubElement(properties, "property", name=key,
                                   value=str(test[key]))
        if test["outcome"] != "pass":
            kind = "error" if test["outcome"] == "error" else "failure"
            ElementTree.SubElement(
                case, kind, message=xml(test["cause"] or ""),
                type=test["outcome"]).text = xml(details(test))
            if test["console"]:
                ElementTree.SubElement(case, "system-out").text = xml(
                    test["console"])
    if grade["error"]:
        case = ElementTree.SubElement(suite, "testcase", classname="grade",
                                      name="grader", time="0")
        ElementTree.SubElement(case, "error", message=xml(grade["error"]),
                               type="error")
    ElementTree.indent(suites)
    return ('<?xml version="1.0" encoding="utf-8"?>\n'
            + ElementTree.tostring(suites, encoding="unicode") + "\n")
