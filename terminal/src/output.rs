//! Standard output. A reader that has gone (`| head`, a closed terminal) is no error; what is lost otherwise is remembered for the program's
//! end.

use std::fs::File;
use std::io::{self, Write, stdout};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use crate::visible;

/// Why standard output is incomplete.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a finished text to standard output: one whose parts were made visible before it was coloured, or a format of its own.
pub fn print(text: &str) {
    let mut out = stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        lose(error);
    }
}

/// Writes a line to standard output.
pub fn say(line: &str) {
    print(&format!("{}\n", visible(line)));
}

/// Remembers that standard output could not be written, unless nobody reads it any more.
pub fn lose(error: io::Error) {
    if !has_gone(&error, &stdout()) {
        let mut lost = LOST.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get_or_insert(error);
    }
}

/// Why standard output is incomplete, if it is and somebody reads it still. Tells it once.
pub fn lost() -> Option<io::Error> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether an error of writing means that nobody reads any more: the pipe's reader has ended, or the terminal was closed.
fn has_gone(error: &io::Error, stream: &impl AsFd) -> bool {
    match error.kind() {
        io::ErrorKind::BrokenPipe => true,
        // A terminal that was closed answers with EIO, as a broken disk does.
        _ if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            let file = stream.as_fd().try_clone_to_owned().map(File::from);
            !file
                .and_then(|file| file.metadata())
                .is_ok_and(|file| file.is_file())
        }
        _ => false,
    }
}
