//! Memory by the page while load is driven. The allocator asks for huge pages, and the kernel then gives two megabytes where four
//! kilobytes are used: as much again as all that a run needs, sooner or later by chance.

/// Huge pages are refused until this is dropped; not before and after, because programs that are started meanwhile inherit
/// that (a fault's command does), and a system under test has its own ways. Where the kernel doesn't know of it, nothing changes.
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
