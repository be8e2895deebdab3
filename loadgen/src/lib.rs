//! Replays customer scenarios against an event-driven HTTP system and reports what they saw.

pub mod trace;
