//! Elections in the lab, one behaviour each: who holds the VIPs, and what the segment sees of it. They need root and fail without
//! it. How fast, and what clients feel of it, is `failover`; with keepalived, `interop`.

mod duplicates;
mod roles;
