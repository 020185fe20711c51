//! User-agent families.

/// The family of a user agent.
pub fn family(user_agent: &str) -> String {
    let _ = user_agent;
    String::from("Unknown")
}
