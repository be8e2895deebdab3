//! Disables huge pages while load is driven. The allocator asks for huge pages, and the kernel may give two megabytes where four
//! kilobytes are used: by chance, that doubles a run's memory.

/// Disables huge pages until it is dropped. Not before and after, because programs that are started meanwhile inherit
/// the setting (a fault's command does), and a system under test must keep its own. No effect where the kernel lacks the setting.
pub struct SmallPages(());

impl SmallPages {
    pub fn only() -> Self {
        refuse_huge(true);
        Self(())
    }
}

impl Drop for SmallPages {
    fn drop(&mut self) {
        refuse_huge(false);
    }
}

#[cfg(target_os = "linux")]
fn refuse_huge(refuse: bool) {
    rustix::thread::disable_transparent_huge_pages(refuse).ok();
}

#[cfg(not(target_os = "linux"))]
fn refuse_huge(_refuse: bool) {}
