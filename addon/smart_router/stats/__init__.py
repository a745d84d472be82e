"""Statistics of routing, costs and savings: records, prices, reports, audit log, metrics."""
