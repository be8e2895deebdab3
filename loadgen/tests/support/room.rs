//! What tests of scenarios share.

/// Limits for tests that are not about the generator, high enough for a busy machine.
pub const ROOM: &str = "[limits]\nslip_p99_max = \"60s\"\ncpu_pct_max = 1000.0\nloop_stall_p99_max = \"60s\"\nclock_jump_max = \"60s\"\ndropped_pct_max = 100.0\n";
