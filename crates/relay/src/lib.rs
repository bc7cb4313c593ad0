//! Splices encrypted streams between gateways and sites, and knows who is connected.
