//! What the TCP and UDP relays decide: which session a datagram belongs to, and what is refused.
