//! Names of JSON fields by their path: the same for a nested object and for a name with dots in it.
//!
//! Input: the names that mean something. Output: for a key below a place in the tree, the place below it and the name that
//! ends there. Never: a difference between `user_agent`, `userAgent` and `User-Agent`.

use std::collections::HashMap;

/// A place in the tree: the keys that lead to an object.
pub(super) type TrieNode = u16;
/// The top object.
pub(super) const ROOT: TrieNode = 0;
const NONE: u16 = u16::MAX;

/// What a key means at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Child {
    node: u16,
    name: u16,
}

impl Child {
    const UNKNOWN: Self = Self { node: NONE, name: NONE };

    /// The place of the object below it, if something in it is of use.
    pub(super) fn node(self) -> Option<TrieNode> {
        (self.node != NONE).then_some(self.node)
    }

    /// The number of the name that ends here.
    pub(super) fn name(self) -> Option<usize> {
        (self.name != NONE).then_some(usize::from(self.name))
    }
}

/// Names, by their path.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<HashMap<Box<[u8]>, Child>>,
    names: Vec<String>,
    /// Keys that stand for the top itself only if they are written so.
    exact_wrappers: Vec<Box<[u8]>>,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self { nodes: vec![HashMap::new()], names: Vec::new(), exact_wrappers: Vec::new() }
    }

    /// Adds a name, unless it is there; returns its number.
    pub(super) fn add(&mut self, name: &str) -> usize {
        let normal = normal(name.as_bytes());
        let mut parts = normal.split(|byte| *byte == b'.').peekable();
        let mut node = ROOT;
        while let Some(part) = parts.next() {
            let child = self.nodes[usize::from(node)].get(part).copied().unwrap_or(Child::UNKNOWN);
            if parts.peek().is_none() {
                if let Some(known) = child.name() {
                    return known;
                }
                let number = self.names.len();
                let child = Child { name: u16::try_from(number).expect("few names"), ..child };
                self.nodes[usize::from(node)].insert(part.into(), child);
                self.names.push(name.to_owned());
                return number;
            }
            let below = child.node().unwrap_or_else(|| {
                self.nodes.push(HashMap::new());
                u16::try_from(self.nodes.len() - 1).expect("few places")
            });
            self.nodes[usize::from(node)].insert(part.into(), Child { node: below, ..child });
            node = below;
        }
        unreachable!("a split has a part")
    }

    /// Makes a key of the top object stand for the top itself.
    pub(super) fn add_wrapper(&mut self, key: &str) {
        self.nodes[usize::from(ROOT)].insert(key.as_bytes().into(), Child { node: ROOT, name: NONE });
    }

    /// As [`add_wrapper`](Self::add_wrapper), of a key that is something else without its signs.
    pub(super) fn add_exact_wrapper(&mut self, key: &str) {
        self.exact_wrappers.push(key.as_bytes().into());
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// What a key means below a place.
    pub(super) fn child(&self, node: TrieNode, key: &[u8]) -> Child {
        if node == ROOT && self.exact_wrappers.iter().any(|wrapper| **wrapper == *key) {
            return Child { node: ROOT, name: NONE };
        }
        let mut space = [0; MAX_KEY_BYTES];
        let Some(normal) = normalize(key, &mut space) else { return Child::UNKNOWN };
        let mut child = Child { node, name: NONE };
        for part in normal.split(|byte| *byte == b'.') {
            let Some(below) = child.node().and_then(|node| self.nodes[usize::from(node)].get(part)) else {
                return Child::UNKNOWN;
            };
            child = *below;
        }
        child
    }
}

/// No known name is longer.
const MAX_KEY_BYTES: usize = 64;

/// Letters and digits of a key, small, and its dots between them.
fn normalize<'s>(key: &[u8], space: &'s mut [u8; MAX_KEY_BYTES]) -> Option<&'s [u8]> {
    let mut length = 0;
    for byte in key {
        if byte.is_ascii_alphanumeric() || *byte == b'.' {
            *space.get_mut(length)? = byte.to_ascii_lowercase();
            length += 1;
        }
    }
    Some(&space[..length])
}

fn normal(name: &[u8]) -> Vec<u8> {
    let is_kept = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    name.iter().copied().filter(is_kept).map(|byte| byte.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_nested_and_dotted_and_however_they_are_written() {
        let mut trie = Trie::new();
        let agent = trie.add("useragent");
        let original = trie.add("useragent.original");
        let method = trie.add("http.request.method");
        assert_eq!((trie.add("useragent"), trie.len()), (agent, 3));
        for key in ["user_agent", "userAgent", "User-Agent", "USERAGENT"] {
            assert_eq!(trie.child(ROOT, key.as_bytes()).name(), Some(agent), "{key}");
        }
        assert_eq!(trie.child(ROOT, b"user_agent.original").name(), Some(original));
        let below = trie.child(ROOT, b"http").node().unwrap();
        assert_eq!(trie.child(below, b"request.method").name(), Some(method));
        for key in ["", "http", "http.", "http.request.methods", "other.method", &"x".repeat(100)] {
            assert_eq!(trie.child(ROOT, key.as_bytes()).name(), None, "{key}");
        }
        trie.add_wrapper("attributes");
        assert_eq!(trie.child(ROOT, b"attributes").node(), Some(ROOT));
        assert_eq!(trie.child(ROOT, b"attributes.http.request.method").name(), Some(method));
        let address = trie.add("source.ip");
        trie.add_exact_wrapper("_source");
        assert_eq!(trie.child(ROOT, b"_source").node(), Some(ROOT));
        let source = trie.child(ROOT, b"source").node().unwrap();
        assert_eq!(trie.child(source, b"ip").name(), Some(address));
    }
}
