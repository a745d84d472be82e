"""What was routed where, what it cost and what that saved: records, prices, reports, audit log, metrics."""
