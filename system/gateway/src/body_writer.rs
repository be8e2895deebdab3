//! Streamed response bodies: buffered into chunks, with backpressure from a slow client. An error aborts the connection,
//! so that a partial answer never looks complete.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::stream;
use tokio::sync::mpsc;

use super::error::HttpError;
use super::lists::ListPages;
use super::state::GatewayState;

/// A chunk is sent once it has about this many bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// Most chunks that may wait for the client.
const CHUNKS_MAX: usize = 2;

enum BodyPart {
    Chunk(Bytes),
    Failed(HttpError),
    End,
}

/// Writes a body's text piece by piece.
pub(super) struct BodyWriter {
    parts: mpsc::Sender<BodyPart>,
    chunk: String,
}

/// A body that `write` produces in its own task. The connection breaks if `write` fails or panics.
pub(super) fn stream<W, F>(state: &GatewayState, write: W) -> Body
where
    W: FnOnce(BodyWriter) -> F,
    F: Future<Output = Result<BodyWriter, HttpError>> + Send + 'static,
{
    let (parts, received) = mpsc::channel(CHUNKS_MAX);
    let written = write(BodyWriter {
        parts: parts.clone(),
        chunk: String::with_capacity(CHUNK_BYTES),
    });
    state.tasks.spawn(async move {
        let end = match written.await {
            Ok(mut writer) => writer.flush().await.map(|()| BodyPart::End),
            Err(error) => Err(error),
        };
        // Fails when the client has disconnected; nobody is left to receive the end.
        let _ = parts.send(end.unwrap_or_else(BodyPart::Failed)).await;
    });
    Body::from_stream(stream::unfold(
        Some(received),
        |received: Option<mpsc::Receiver<BodyPart>>| async move {
            let mut received = received?;
            match received.recv().await {
                Some(BodyPart::Chunk(chunk)) => Some((Ok(chunk), Some(received))),
                Some(BodyPart::End) => None,
                Some(BodyPart::Failed(error)) => {
                    tracing::warn!(%error, "a streamed answer was aborted");
                    Some((Err(error), None))
                }
                None => Some((Err(broken_off()), None)),
            }
        },
    ))
}

fn broken_off() -> HttpError {
    HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer was aborted")
}

impl BodyWriter {
    /// Appends text; sends a chunk when enough has collected.
    ///
    /// # Errors
    /// The client has disconnected.
    pub(super) async fn write(&mut self, text: &str) -> Result<(), HttpError> {
        self.chunk.push_str(text);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes a page's items and those of the pages after it, separated by commas.
    ///
    /// # Errors
    /// The errors of a query, and when the client has disconnected.
    pub(super) async fn write_items(
        &mut self,
        first: String,
        pages: &mut ListPages,
    ) -> Result<(), HttpError> {
        let mut items = Some(first);
        let mut comma = "";
        while let Some(text) = items {
            if !text.is_empty() {
                self.write(comma).await?;
                self.write(&text).await?;
                comma = ",";
            }
            items = pages.next().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), HttpError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, String::with_capacity(CHUNK_BYTES));
        self.parts
            .send(BodyPart::Chunk(chunk.into()))
            .await
            .map_err(|_| broken_off())
    }
}
