//! The outer leg: dial, accept, keep alive, reconnect, multiplex. It carries bytes that it does not understand.
