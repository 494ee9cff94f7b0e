"""The torture bench: kills, failing disks and crowds, and one oracle that audits disk and ledger after each run."""
