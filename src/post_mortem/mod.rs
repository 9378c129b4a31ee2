//! What an OOM in a kernel log was about: the candidates ranked by the kernel's own rule, why it took the one it took, and
//! the story in sentences. Refuses to parse (that is `oom_log`) and to give a reason that the log does not carry.

mod score;
mod story;
mod tally;
pub mod words;

pub use score::{Scale, Score};
pub use story::{Because, Ranked, Reason, Story, Teller, taken};
pub use tally::{Tally, not_believed};
