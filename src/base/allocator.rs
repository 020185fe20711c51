//! How the C library hands out memory: large pieces straight from the kernel, and back to it.
//!
//! glibc does so only until the first large piece is freed; from then on it takes pieces of that size from its heaps,
//! where what was once touched stays resident. The bound on bytes in flight would then bound what is used, not what is
//! held. Measured: 512 clients that slowly send 2 MiB each, twice in a row, with 96 MiB in flight: 317 MB resident at
//! the peak and 130 MB kept, 124 MB and 20 MB with the threshold set. Other C libraries do this by themselves.

/// Pieces from this size on are mapped. Above what most batches need, so that they stay as quick as they are.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD_BYTES: i32 = 256 * 1024;

/// Sets the threshold for the process. Call it first, before there are threads.
pub fn keep_large_pieces_apart() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: mallopt takes two integers and touches nothing of ours; setting this parameter switches off that
        // glibc adapts it.
        #[allow(unsafe_code, reason = "measured above; std has no way to say it")]
        let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES) };
        if set != 1 {
            log::warn!(
                "mallopt refuses a threshold of {MMAP_THRESHOLD_BYTES} bytes: more memory may be held"
            );
        }
    }
}
