//! The thin shell around the fold: waits for keys, signals, time and results, and does what effects ask for. Refuses
//! to decide anything that a screen shows.

pub mod encoder;
pub mod input;
pub mod latest;
pub mod terminal;
