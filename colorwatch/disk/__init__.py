"""What is done on the disks of a folder: names, spool, results, originals, quarantine."""
