//! The demo practice: synthetic data of Bp Premier's shape on an embedded engine that speaks enough T-SQL.
