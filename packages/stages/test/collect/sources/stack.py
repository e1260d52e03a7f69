"""Writes stack.parquet, as data sets of code have it: three row groups, a compression for each column. Made with pyarrow 26."""
import pyarrow as pa
import pyarrow.parquet as pq

rows = [
    {"content": f"int f{i}(void) {{ return {i}; }}\n" * 20, "path": f"src/f{i}.c", "licenses": ["MIT"], "meta": {"repo": "a/one"}, "raw": b"r%d\n" % i}
    for i in range(5)
]
rows.append({"content": None, "path": "src/none.c", "licenses": [], "meta": None, "raw": b"\xff\xfe\x00"})
rows.append({"content": "int ü; // ✓\n", "path": None, "licenses": ["MIT", "BSD-3-Clause"], "meta": {"repo": "b/two"}, "raw": None})
schema = pa.schema([
    ("content", pa.string()), ("path", pa.string()), ("licenses", pa.list_(pa.string())),
    ("meta", pa.struct([("repo", pa.string())])), ("raw", pa.binary()),
])
pq.write_table(
    pa.Table.from_pylist(rows, schema), "stack.parquet", row_group_size=3,
    compression={"content": "ZSTD", "path": "SNAPPY", "licenses.list.element": "GZIP", "meta.repo": "BROTLI", "raw": "LZ4"},
)
