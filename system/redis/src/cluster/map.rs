//! Which master has which slot, as `CLUSTER SLOTS` says. Must not know how nodes are asked.

use redis::{ConnectionAddr, ErrorKind, RedisResult, Value};

use super::slot::SLOTS;

/// A node's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    host: String,
    port: u16,
}

impl Node {
    /// The node at an address; `None` for a socket.
    pub fn of(addr: &ConnectionAddr) -> Option<Self> {
        match addr {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                let (host, port) = (host.clone(), *port);
                Some(Self { host, port })
            }
            _ => None,
        }
    }

    /// The node that a redirection names, `host:port`; without a host it is where the redirection came from.
    pub fn redirected(place: &str, from: &Self) -> Option<Self> {
        let (host, port) = place.rsplit_once(':')?;
        let host = match host {
            "" => &from.host,
            host => host.trim_start_matches('[').trim_end_matches(']'),
        };
        let (host, port) = (host.to_owned(), port.parse().ok()?);
        Some(Self { host, port })
    }

    /// Its address, spoken with as with another one.
    pub fn addr(&self, like: &ConnectionAddr) -> ConnectionAddr {
        let (own_host, own_port) = (self.host.clone(), self.port);
        match like {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host: own_host,
                port: own_port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(own_host, own_port),
        }
    }
}

/// The masters, and which of them has each slot.
#[derive(Debug)]
pub(crate) struct Map {
    masters: Vec<Node>,
    /// Numbers in `masters`, by slot.
    owners: Vec<Option<u16>>,
}

impl Map {
    /// Reads the answer of a node to `CLUSTER SLOTS`; `None` if it is something else.
    pub fn read(slots: Value, from: &Node) -> Option<Self> {
        let mut map = Self {
            masters: Vec::new(),
            owners: vec![None; SLOTS],
        };
        let ranges: Vec<Vec<Value>> = redis::from_redis_value(slots).ok()?;
        for range in ranges {
            let mut range = range.into_iter();
            let first: usize = redis::from_redis_value(range.next()?).ok()?;
            let last: usize = redis::from_redis_value(range.next()?).ok()?;
            let master: Vec<Value> = redis::from_redis_value(range.next()?).ok()?;
            let mut master = master.into_iter();
            let host: Option<String> = redis::from_redis_value(master.next()?).ok()?;
            let port = redis::from_redis_value(master.next()?).ok()?;
            // A node that doesn't know its own address leaves it out.
            let host = host.filter(|host| !host.is_empty());
            let host = host.unwrap_or_else(|| from.host.clone());
            let node = Node { host, port };
            let known = map.masters.iter().position(|known| *known == node);
            let number = known.unwrap_or_else(|| {
                map.masters.push(node);
                map.masters.len() - 1
            });
            let number = u16::try_from(number).ok();
            map.owners.get_mut(first..=last)?.fill(number);
        }
        Some(map)
    }

    /// The masters that have slots.
    pub fn masters(&self) -> &[Node] {
        &self.masters
    }

    /// The master that has a slot. What belongs to no slot is asked of the first one's, so that all processes ask the same master: its clock is
    /// the one that counts.
    pub fn owner(&self, slot: Option<usize>) -> RedisResult<&Node> {
        let number = self.owners.get(slot.unwrap_or_default()).copied().flatten();
        let owner = number.and_then(|number| self.masters.get(usize::from(number)));
        owner.ok_or_else(|| (ErrorKind::Io, "no node of the cluster has this slot").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let node = vec![host, Value::Int(port), bulk("id"), Value::Array(vec![])];
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            Value::Array(node),
        ])
    }

    fn at(host: &str, port: u16) -> Node {
        let host = host.to_owned();
        Node { host, port }
    }

    #[test]
    fn each_slot_has_the_master_of_its_range_and_others_have_none() {
        let ranges = vec![
            range(0, 99, bulk("a"), 1),
            range(100, 100, bulk(""), 2),
            range(200, 16_383, bulk("a"), 1),
            range(101, 199, Value::Nil, 3),
        ];
        let asked = at("asked", 9);
        let map = Map::read(Value::Array(ranges), &asked).unwrap();
        assert_eq!(map.masters(), [at("a", 1), at("asked", 2), at("asked", 3)]);
        let owner = |slot| map.owner(slot).unwrap();
        assert_eq!(owner(None), &at("a", 1));
        assert_eq!(owner(Some(100)), &at("asked", 2));
        assert_eq!(owner(Some(16_383)), &at("a", 1));

        let ranges = vec![range(0, 9, bulk("a"), 1)];
        let map = Map::read(Value::Array(ranges), &asked).unwrap();
        assert!(map.owner(Some(10)).is_err() && map.owner(Some(9)).is_ok());
        let beyond = vec![range(0, 16_384, bulk("a"), 1)];
        assert!(Map::read(Value::Array(beyond), &asked).is_none());
        assert!(Map::read(bulk("nothing"), &asked).is_none());
    }

    #[test]
    fn a_redirection_names_a_node() {
        let from = at("f", 1);
        let to = |place| Node::redirected(place, &from);
        assert_eq!(to("10.0.0.1:7001"), Some(at("10.0.0.1", 7_001)));
        assert_eq!(to(":7002"), Some(at("f", 7_002)));
        assert_eq!(to("::1:7003"), Some(at("::1", 7_003)));
        assert_eq!(to("nowhere"), None);
    }
}
