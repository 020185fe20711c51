//! What is asked of the cluster and of one machine alike, behind `from` and `to`.

/// Of windows: the first must be minutes.
pub const QUESTIONS: [&str; 10] = [
    "window=minute",
    "window=hour&by=path,userAgent,host,referrer,country",
    "window=day&by=host,country&top=3&classes=true",
    "window=minute&by=path,referrer&top=2",
    "window=day&by=",
    "window=month&by=path,userAgent,host,referrer,country",
    "window=all&by=path,country&top=2",
    "window=day&by=path&top=3&tz=America/New_York",
    "window=month&by=host&tz=Asia/Kolkata",
    "by=path&top=1",
];
/// Of the biggest keys of a range.
pub const TOP_QUESTIONS: [&str; 16] = [
    "dimension=path",
    "dimension=agent&by=robots",
    "dimension=userAgent&by=people",
    "dimension=path&by=clientErrors",
    "dimension=path&by=responseBytes&prefix=GET",
    "dimension=path&by=p95",
    "dimension=host&status=404",
    "dimension=referrer",
    "dimension=country&by=robots",
    "dimension=path&tz=Europe/Vienna",
    "dimension=path&by=requests&prefix=GET%20/p",
    "dimension=host&by=serverErrors",
    "dimension=path&by=durationSum",
    "dimension=host&by=p50",
    "dimension=path&by=p99",
    "dimension=path&status=4xx",
];
/// As CSV, of windows and of the biggest keys: the rest of the target behind `/aggregates`.
pub const CSV_QUESTIONS: [(&str, &str); 4] = [
    ("", "window=day&by="),
    ("", "window=hour&by=host&top=2"),
    ("/top", "dimension=path"),
    ("/top", "dimension=userAgent&by=people"),
];
/// Of windows of chosen entries.
pub const WHERE_QUESTIONS: [&str; 7] = [
    "window=minute&where=status>=500",
    "window=hour&by=path,userAgent,host,referrer,country&where=status!=404",
    "window=day&by=path&where=family=curl",
    "window=all&by=path,host&top=2&where=path^=/p",
    "window=day&by=host&tz=Europe/Vienna&where=durationSeconds>0.2",
    "window=all&by=&where=path=/nobody/asked",
    "window=hour&by=path&where=status<500,durationSeconds<=0.2",
];
/// Of the biggest keys of chosen entries.
pub const TOP_WHERE_QUESTIONS: [&str; 2] =
    ["dimension=path&where=status>=400", "dimension=host&by=p95&where=status!=404"];
/// Of lines.
pub const LINE_QUESTIONS: [&str; 3] =
    ["limit=10000", "limit=10000&where=status>=500", "limit=10000&where=class=tool,path^=/p"];
