//! Frames as lines of JSON on a connection, with limits of length and of silence. Must not know what the frames say.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf,
};
use tokio::time::timeout;

/// The longest frame: a scenario with its files, or a ledger of some ten million entities.
pub const FRAME_BYTES_MAX: usize = 2 << 30;
/// How much is written at a time, each within the time limit.
const PIECE_BYTES: usize = 64 << 10;
/// How much is shown of what is no frame.
const SHOWN_CHARS_MAX: usize = 60;

/// A connection, with TLS or without.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The other side is gone.
    #[error("the connection was closed")]
    Closed,
    /// Nothing has come for this long.
    #[error("nothing was heard for {} s", .0.as_secs())]
    Silent(Duration),
    /// A line has no end.
    #[error("a message is longer than {0} bytes")]
    TooLong(usize),
    /// A line is no frame.
    #[error("it said `{0}`")]
    Foreign(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
}

/// The reading half of a connection.
pub struct FrameReader(BufReader<ReadHalf<Box<dyn Stream>>>);

/// The writing half of a connection.
pub struct FrameWriter(WriteHalf<Box<dyn Stream>>);

/// Both halves.
pub fn halves(stream: Box<dyn Stream>) -> (FrameReader, FrameWriter) {
    let (read, write) = tokio::io::split(stream);
    (FrameReader(BufReader::new(read)), FrameWriter(write))
}

impl FrameReader {
    /// The next frame, of at most so many bytes. Fails after so much silence, which a long frame's pieces interrupt.
    pub async fn next<T: DeserializeOwned>(
        &mut self,
        bytes_max: usize,
        silence: Duration,
    ) -> Result<T, LineError> {
        let mut line = Vec::new();
        loop {
            let piece = timeout(silence, self.0.fill_buf());
            let piece = piece.await.map_err(|_| LineError::Silent(silence))??;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(piece.len(), |end| end + 1);
            line.extend_from_slice(&piece[..taken]);
            self.0.consume(taken);
            if line.len() > bytes_max {
                return Err(LineError::TooLong(bytes_max));
            }
            match (end, taken) {
                (Some(_), _) => break,
                (None, 0) if line.is_empty() => return Err(LineError::Closed),
                (None, 0) => break,
                _ => {}
            }
        }
        serde_json::from_slice(&line).map_err(|_| LineError::Foreign(excerpt(&line)))
    }
}

fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown: String = text.trim().chars().take(SHOWN_CHARS_MAX).collect();
    if text.trim().chars().count() > SHOWN_CHARS_MAX {
        shown.push('…');
    }
    shown
}

impl FrameWriter {
    /// Writes a frame. Fails if a piece of it takes longer than this.
    pub async fn write(&mut self, frame: &impl Serialize, patience: Duration) -> io::Result<()> {
        let mut line = serde_json::to_vec(frame)?;
        line.push(b'\n');
        for piece in line.chunks(PIECE_BYTES) {
            timeout(patience, self.0.write_all(piece)).await??;
        }
        timeout(patience, self.0.flush()).await?
    }

    /// Says that nothing more will come.
    pub async fn close(&mut self) {
        // The other side may be gone already.
        self.0.shutdown().await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn frames_come_as_they_were_written_and_what_is_none_is_told() {
        let (here, there) = tokio::io::duplex(1 << 20);
        let (mut reader, _writer) = halves(Box::new(here));
        let (_reader, mut writer) = halves(Box::new(there));
        let long: Vec<u32> = (0..40_000).collect();
        writer.write(&long, SHORT).await.unwrap();
        writer.write(&"next", SHORT).await.unwrap();
        writer
            .0
            .write_all(b"HTTP/1.1 400 Bad Request\r\n")
            .await
            .unwrap();

        let read: Vec<u32> = reader.next(1 << 20, SHORT).await.unwrap();
        assert_eq!(read, long);
        assert_eq!(reader.next::<String>(100, SHORT).await.unwrap(), "next");
        let foreign = reader.next::<String>(100, SHORT).await.unwrap_err();
        assert_eq!(foreign.to_string(), "it said `HTTP/1.1 400 Bad Request`");
        let silent = reader.next::<String>(100, SHORT).await.unwrap_err();
        assert!(matches!(silent, LineError::Silent(_)));

        writer.write(&long, SHORT).await.unwrap();
        let endless = reader.next::<Vec<u32>>(1_000, SHORT).await.unwrap_err();
        assert!(matches!(endless, LineError::TooLong(1_000)));
    }

    #[tokio::test]
    async fn a_closed_connection_is_told_apart_from_a_silent_one() {
        let (here, there) = tokio::io::duplex(64);
        let (mut reader, _writer) = halves(Box::new(here));
        drop(there);
        let closed = reader.next::<String>(100, SHORT).await.unwrap_err();
        assert!(matches!(closed, LineError::Closed));
    }
}
