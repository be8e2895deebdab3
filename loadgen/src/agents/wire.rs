//! A connection whose two sides know each other: frames go both ways at any time, and each side tells once a second that it is alive. Must
//! not know what the frames say.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::lines::{FRAME_BYTES_MAX, FrameReader, FrameWriter, LineError};

/// How often a side tells that it is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// A side that was not heard for this long is gone.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);

/// What may come from the other side.
pub type Heard<In> = Result<In, LineError>;

/// One end of the connection.
pub struct Wire<In, Out> {
    /// What comes. The last one is an error.
    pub heard: mpsc::UnboundedReceiver<Heard<In>>,
    /// What goes. The connection is closed when every sender is dropped and all has gone.
    pub out: mpsc::UnboundedSender<Out>,
}

impl<In, Out> Wire<In, Out>
where
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + Send + Sync + 'static,
{
    /// Starts reading and writing in tasks of their own. `alive` makes the frame that says so, and `is_alive` knows it.
    pub fn start(
        mut reader: FrameReader,
        mut writer: FrameWriter,
        alive: fn() -> Out,
        is_alive: fn(&In) -> bool,
    ) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let frame = reader.next(FRAME_BYTES_MAX, SILENCE_MAX).await;
                if frame.as_ref().is_ok_and(is_alive) {
                    continue;
                }
                let ended = frame.is_err();
                if tell.send(frame).is_err() || ended {
                    return;
                }
            }
        });
        let (out, mut frames) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut alive_at = tokio::time::interval(ALIVE_EVERY);
            loop {
                let frame = tokio::select! {
                    biased;
                    frame = frames.recv() => frame,
                    _ = alive_at.tick() => Some(alive()),
                };
                let Some(frame) = frame else {
                    return writer.close().await;
                };
                // Who doesn't read any more is not heard any more either: the reader tells.
                if writer.write(&frame, SILENCE_MAX).await.is_err() {
                    return;
                }
            }
        });
        Self { heard, out }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Heard<In> {
        self.heard.recv().await.unwrap_or(Err(LineError::Closed))
    }

    /// Sends a frame; whether it has arrived is told by what comes back.
    pub fn send(&self, frame: Out) {
        self.out.send(frame).ok();
    }
}
