"""The report: one page with the systems compared, the results and what they rest on."""
