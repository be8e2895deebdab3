//! A subscription to sharded channels, each at the server that has its slot: what is published there is told without a way over other nodes,
//! and the server says when the slot goes elsewhere. Must not know what is told.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{ErrorKind, Pipeline, RedisResult, Value};
use tokio::sync::mpsc;

use crate::address::{CONNECT_TIMEOUT_MS, Place};
use crate::cluster::Cluster;
use crate::cluster::map::Node;
use crate::dial;
use crate::multiplexed_connection::MultiplexedConnection;

/// Most messages that wait to be taken.
const WAITING_MAX: usize = 10_000;
/// Most messages that are taken together.
const TAKEN_MAX: usize = 256;

/// A message.
pub(crate) struct Message {
    pub channel: String,
    pub text: String,
}

/// Channels by the node of a cluster that has their slots; all by `None` where there is no cluster.
type Owners = BTreeMap<Option<Node>, Vec<String>>;

/// A subscription; it ends with the first of its connections, or when a slot is elsewhere.
pub(crate) struct Listener {
    place: Place,
    owners: Owners,
    /// One to each owner, in their order.
    connections: Vec<MultiplexedConnection>,
    messages: mpsc::Receiver<RedisResult<Value>>,
}

impl Listener {
    /// Subscribes: whatever is published from now on is told.
    pub async fn open(place: &Place, channels: &[String]) -> RedisResult<Self> {
        let (told, messages) = mpsc::channel(WAITING_MAX);
        if let Some(cluster) = place.cluster() {
            cluster.doubt();
        }
        let owners = owners(place, channels.iter()).await?;
        let mut connections = Vec::new();
        for (node, channels) in &owners {
            let at = match (place.cluster(), node) {
                (Some(cluster), Some(node)) => place.at(cluster.address(node)),
                _ => place.clone(),
            };
            let subscribing = async {
                let mut connection = at.subscriber(told.clone()).await?;
                subscribe(&mut connection, channels).await?;
                Ok(connection)
            };
            // A node that is paused is connected to all the same, and says nothing.
            let connect_max = Duration::from_millis(CONNECT_TIMEOUT_MS);
            connections.push(dial::within(connect_max, subscribing).await?);
        }
        Ok(Self {
            place: place.clone(),
            owners,
            connections,
            messages,
        })
    }

    /// Waits for messages. None is lost if the call is cancelled.
    pub async fn next(&mut self) -> RedisResult<Vec<Message>> {
        let mut taken = Vec::new();
        self.messages.recv_many(&mut taken, TAKEN_MAX).await;
        let message = |value| {
            let (kind, channel, text): (String, _, _) = redis::from_redis_value(value)?;
            match &*kind {
                "smessage" => Ok(Message { channel, text }),
                _ => Err((ErrorKind::Io, "a channel's slot has moved").into()),
            }
        };
        taken.into_iter().map(|value| message(value?)).collect()
    }

    /// Looks whether all servers answer, and are still those that have the slots: one that is cut off from the others of its cluster answers,
    /// and is told nothing.
    pub async fn look(&mut self) -> RedisResult<()> {
        for (connection, channels) in self.connections.iter_mut().zip(self.owners.values()) {
            // It changes nothing, and needs no other right than the first time.
            subscribe(connection, &channels[..1]).await?;
        }
        let owners = owners(&self.place, self.owners.values().flatten()).await?;
        match owners == self.owners {
            true => Ok(()),
            false => Err((ErrorKind::Io, "a channel's slot is on another node").into()),
        }
    }
}

/// The owners of channels, as far as is known.
async fn owners(place: &Place, channels: impl Iterator<Item = &String>) -> RedisResult<Owners> {
    let map = match place.cluster() {
        Some(cluster) => Some(cluster.remembered().await?),
        None => None,
    };
    let mut owners = Owners::new();
    for channel in channels {
        let slot = Cluster::slot_of(channel);
        let owner = map.as_ref().map(|map| map.owner(Some(slot)).cloned());
        let has = owners.entry(owner.transpose()?).or_default();
        has.push(channel.clone());
    }
    Ok(owners)
}

/// Subscribes to channels, and waits until that is confirmed.
async fn subscribe(connection: &mut MultiplexedConnection, channels: &[String]) -> RedisResult<()> {
    let mut pipe = Pipeline::with_capacity(channels.len());
    for channel in channels {
        // Channels of one command must have one slot.
        pipe.cmd("SSUBSCRIBE").arg(channel).ignore();
    }
    pipe.exec_async(connection).await
}
