// Transactions on a database file: usage: transactions FILE MODE ROUNDS, where MODE is a journal mode of SQLite's (delete,
// truncate, persist, wal, ...). What it does follows from its arguments alone. Prints a line for every round: how many rows there
// are, what they sum up to, and a hash of all that is in them; and in the end what SQLite thinks of its file.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3.h"

static sqlite3 *db;
static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % n;
}

static void check(int result, const char *what)
{
    if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW) {
        printf("%s: %s\n", what, sqlite3_errmsg(db));
        exit(1);
    }
}

static void run(const char *sql)
{
    check(sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *statement;
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), sql);
    return statement;
}

static void once(sqlite3_stmt *statement)
{
    check(sqlite3_step(statement), "step");
    check(sqlite3_reset(statement), "reset");
}

static int print_row(void *unused, int columns, char **values, char **names)
{
    (void)unused;
    (void)names;
    for (int i = 0; i < columns; i++) {
        printf(" %s", values[i] ? values[i] : "NULL");
    }
    printf("\n");
    return 0;
}

static void print(const char *sql)
{
    check(sqlite3_exec(db, sql, print_row, NULL, NULL), sql);
}

// FNV-1a of all rows in their order.
static uint64_t content(void)
{
    uint64_t hash = 14695981039346656037u;
    sqlite3_stmt *all = prepare("SELECT id, balance, note FROM account ORDER BY id");
    while (sqlite3_step(all) == SQLITE_ROW) {
        for (int column = 0; column < 3; column++) {
            const unsigned char *bytes = sqlite3_column_blob(all, column);
            for (int i = 0, n = sqlite3_column_bytes(all, column); i < n; i++) {
                hash = (hash ^ bytes[i]) * 1099511628211u;
            }
        }
    }
    check(sqlite3_finalize(all), "finalize");
    return hash;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        printf("usage: transactions FILE MODE ROUNDS\n");
        return 2;
    }
    int rounds = atoi(argv[3]);
    // WASI preview 1 has no locks.
    check(sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix-none"), "open");
    char *pragma = sqlite3_mprintf("PRAGMA locking_mode=exclusive; PRAGMA journal_mode=%s; PRAGMA cache_size=20", argv[2]);
    print(pragma);
    sqlite3_free(pragma);
    run("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, note BLOB)");
    run("CREATE INDEX by_balance ON account (balance)");
    run("CREATE TABLE moved (source INTEGER, target INTEGER, amount INTEGER)");

    sqlite3_stmt *insert = prepare("INSERT INTO account (balance, note) VALUES (?1, ?2)");
    sqlite3_stmt *add = prepare("UPDATE account SET balance = balance + ?2 WHERE id = ?1");
    sqlite3_stmt *moved = prepare("INSERT INTO moved VALUES (?1, ?2, ?3)");
    sqlite3_stmt *forget = prepare("DELETE FROM account WHERE balance = 0 AND id % 5 = ?1");
    for (int round = 0; round < rounds; round++) {
        run("BEGIN IMMEDIATE");
        for (uint32_t i = 0, n = 5 + below(20); i < n; i++) {
            char note[1500];
            uint32_t size = below(sizeof note);
            memset(note, 'a' + (int)below(26), size);
            check(sqlite3_bind_int(insert, 1, (int)below(3) * 100), "bind");
            check(sqlite3_bind_blob(insert, 2, note, (int)size, SQLITE_TRANSIENT), "bind");
            once(insert);
        }
        run("SAVEPOINT moves");
        for (uint32_t i = 0, n = below(30), most = 10 + (uint32_t)round * 10; i < n; i++) {
            int source = 1 + (int)below(most), target = 1 + (int)below(most), amount = (int)below(50);
            check(sqlite3_bind_int(add, 1, source), "bind");
            check(sqlite3_bind_int(add, 2, -amount), "bind");
            once(add);
            check(sqlite3_bind_int(add, 1, target), "bind");
            check(sqlite3_bind_int(add, 2, amount), "bind");
            once(add);
            check(sqlite3_bind_int(moved, 1, source), "bind");
            check(sqlite3_bind_int(moved, 2, target), "bind");
            check(sqlite3_bind_int(moved, 3, amount), "bind");
            once(moved);
        }
        run(below(4) ? "RELEASE moves" : "ROLLBACK TO moves");
        check(sqlite3_bind_int(forget, 1, (int)below(5)), "bind");
        once(forget);
        run(below(6) ? "COMMIT" : "ROLLBACK");
        if (round % 8 == 7) {
            run("PRAGMA wal_checkpoint(truncate)");
        }
        if (round % 20 == 19) {
            run("VACUUM");
        }
        printf("%d: %016" PRIx64, round, content());
        print("SELECT count(*), sum(balance), (SELECT count(*) FROM moved) FROM account");
    }
    check(sqlite3_finalize(insert), "finalize");
    check(sqlite3_finalize(add), "finalize");
    check(sqlite3_finalize(moved), "finalize");
    check(sqlite3_finalize(forget), "finalize");
    print("PRAGMA integrity_check");
    check(sqlite3_close(db), "close");
    return 0;
}
