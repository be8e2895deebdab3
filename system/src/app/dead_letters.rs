//! `ordershop dead-letters`: lists, shows, resends and drops dead letters, straight in Redis, so that nothing else need run.

use clap::{Args, Subcommand};
use ordershop_contract::dead_letters::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterRequest};
use ordershop_contract::message_queue::MessageQueue;
use ordershop_contract::metrics::QueueMetrics;
use ordershop_redis::connection::RedisLink;
use ordershop_redis::message_queue::{QueueConfig, RedisMessageQueue};

use super::redis_place::RedisPlace;
use crate::terminal::say;

/// The options of `ordershop dead-letters`.
#[derive(Args)]
pub struct DeadLettersConfig {
    #[command(subcommand)]
    deed: DeadLetterCommand,
    #[command(flatten)]
    redis: RedisPlace,
}

#[derive(Subcommand)]
enum DeadLetterCommand {
    /// List the dead letters of all queues and consumer groups: id, time (ms since 1970), reason
    List,
    /// Show a dead letter as JSON
    Show {
        /// The id that `list` shows
        id: String,
    },
    /// Have dead letters handled again
    Resend {
        /// The ids that `list` shows
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Delete dead letters
    Drop {
        /// The ids that `list` shows
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// Does what was asked for; prints the letters.
///
/// # Errors
/// A message that says what failed.
pub async fn run(config: DeadLettersConfig) -> Result<(), String> {
    let (url, tls) = config.redis.named_or_private();
    let link = RedisLink::open(&url, &tls).map_err(|error| error.to_string())?;
    let queue = RedisMessageQueue::start(link, QueueMetrics::default(), QueueConfig::default());
    let done = perform(&*queue, config.deed).await;
    queue.close().await;
    done
}

async fn perform(queue: &dyn MessageQueue, deed: DeadLetterCommand) -> Result<(), String> {
    match deed {
        DeadLetterCommand::List => list(queue).await,
        DeadLetterCommand::Show { id } => {
            let letter = one(queue, id, DeadLetterRequest::Show).await?;
            let letter = serde_json::to_string(&letter).map_err(|error| error.to_string())?;
            say(&letter);
            Ok(())
        }
        DeadLetterCommand::Resend { ids } => {
            for id in ids {
                let letter = one(queue, id, DeadLetterRequest::Resend).await?;
                say(&format!("sent again: {}", letter.id));
            }
            Ok(())
        }
        DeadLetterCommand::Drop { ids } => {
            for id in ids {
                let letter = one(queue, id, DeadLetterRequest::Drop).await?;
                say(&format!("dropped: {}", letter.id));
            }
            Ok(())
        }
    }
}

async fn list(queue: &dyn MessageQueue) -> Result<(), String> {
    for skip in (0..).step_by(DEAD_LETTERS_MAX) {
        let request = DeadLetterRequest::List {
            skip,
            limit: DEAD_LETTERS_MAX,
        };
        let letters = queue.dead_letters(request).await;
        let letters = letters.map_err(|error| error.to_string())?;
        for letter in &letters {
            // A line each, whatever a reason quotes.
            let reason = letter.reason.replace('\n', "\\n");
            say(&format!("{}  {}  {reason}", letter.id, letter.at_ms));
        }
        if letters.len() < DEAD_LETTERS_MAX {
            break;
        }
    }
    Ok(())
}

async fn one(
    queue: &dyn MessageQueue,
    id: String,
    what: fn(String) -> DeadLetterRequest,
) -> Result<DeadLetter, String> {
    let letters = queue.dead_letters(what(id.clone())).await;
    let mut letters = letters.map_err(|error| error.to_string())?;
    letters
        .pop()
        .ok_or_else(|| format!("there is no dead letter {id:?}"))
}
