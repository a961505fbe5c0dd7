//! Trying orders of steps.

/// Has each check pass in many orders of its threads' steps, and says so as tests do. `WAYFARER_TEST_BURSTS`: how many (3,000).
pub(crate) fn try_all(checks: &[(&str, fn())]) {
    let times = std::env::var("WAYFARER_TEST_BURSTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000);
    for &(name, check) in checks {
        // The first orders there are, some at random, and those in which one thread is late.
        shuttle::check_dfs(check, Some(times));
        shuttle::check_random(check, times);
        shuttle::check_pct(check, times, 3);
        println!("test {name} ... ok");
    }
    println!("\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", checks.len());
}
