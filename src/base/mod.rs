//! The ground floor: the machine behind seams that tests replace, and small tools that any module may use. Nothing
//! here knows the rest of the program.

pub mod allocator;
pub(crate) mod buffers;
pub mod clock;
pub mod disk;
pub(crate) mod hex;
pub mod inflight;
pub(crate) mod labelled;
pub mod latch;
pub mod memory;
pub mod plural;
pub mod random;
pub mod retry;
pub mod sealed;
pub mod secret;
mod shares;
pub mod shutdown;
pub(crate) mod spares;
pub(crate) mod sync;
pub(crate) mod token;
