//! Bodies that are written while they are made: buffered to chunks, held back by a slow client, and broken off at an error,
//! so that half an answer never looks like a whole one.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::stream;
use tokio::sync::mpsc;

use super::Shared;
use super::error::HttpError;
use super::queries::Pages;

/// A chunk is sent when it is about so long.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that may wait for the client.
const CHUNKS_MAX: usize = 2;

enum Part {
    Chunk(Bytes),
    Failed(HttpError),
    End,
}

/// Takes a body's text piece by piece.
pub(super) struct BodyWriter {
    parts: mpsc::Sender<Part>,
    chunk: String,
}

/// A body that `write` makes in a task of its own. Without a proper end (an error, a panic) the connection breaks.
pub(super) fn stream<W, F>(shared: &Shared, write: W) -> Body
where
    W: FnOnce(BodyWriter) -> F,
    F: Future<Output = Result<BodyWriter, HttpError>> + Send + 'static,
{
    let (parts, received) = mpsc::channel(CHUNKS_MAX);
    let written = write(BodyWriter {
        parts: parts.clone(),
        chunk: String::with_capacity(CHUNK_BYTES),
    });
    shared.tasks.spawn(async move {
        let end = match written.await {
            Ok(mut writer) => writer.flush().await.map(|()| Part::End),
            Err(error) => Err(error),
        };
        // The client may have gone; then nobody is left to be told.
        let _ = parts.send(end.unwrap_or_else(Part::Failed)).await;
    });
    Body::from_stream(stream::unfold(
        Some(received),
        |received: Option<mpsc::Receiver<Part>>| async move {
            let mut received = received?;
            match received.recv().await {
                Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some(received))),
                Some(Part::End) => None,
                Some(Part::Failed(error)) => {
                    tracing::warn!(%error, "a list broke off");
                    Some((Err(error), None))
                }
                None => Some((Err(broken_off()), None)),
            }
        },
    ))
}

fn broken_off() -> HttpError {
    HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer broke off")
}

impl BodyWriter {
    /// Writes text.
    ///
    /// # Errors
    /// When the client has gone.
    pub(super) async fn write(&mut self, text: &str) -> Result<(), HttpError> {
        self.chunk.push_str(text);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes a page's items and those of the pages after it, parted by commas.
    ///
    /// # Errors
    /// As a query's, and when the client has gone.
    pub(super) async fn write_items(
        &mut self,
        first: String,
        pages: &mut Pages,
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
            .send(Part::Chunk(chunk.into()))
            .await
            .map_err(|_| broken_off())
    }
}
