// Migrations of values: chains of steps, what stops them, and steps that can't be meant.

import Primitives
import TestSupport
import Testing

@testable import State

private func schema(_ current: Int64, _ steps: SchemaStep...) -> Schema {
    var schema = Schema()
    schema.current = current
    schema.steps = steps
    return schema
}

private func path(_ text: String) -> JSONPath {
    do { return try JSONPath(text) } catch { preconditionFailure("BUG: \(text): \(error.text)") }
}

private func rename(_ from: String, _ to: String) -> SchemaOperation { .rename(path(from), to: to) }
private func move(_ from: String, _ to: String) -> SchemaOperation { .move(path(from), to: path(to)) }
private func remove(_ at: String) -> SchemaOperation { .remove(path(at)) }
private func give(_ at: String, _ value: JSONValue = .null) -> SchemaOperation { .addDefault(path(at), value) }
private func set(_ at: String, _ value: JSONValue = .null) -> SchemaOperation { .set(path(at), value) }

@Suite struct SchemaTests {
    private let chain = schema(
        3, SchemaStep(to: 2, [rename("name", "title"), give("lang", .string("en"))]),
        SchemaStep(to: 3, [move("title", "meta.title"), set("kind", .string("chat"))]),
        SchemaStep(to: 3, [remove("lang")]))

    private func migrated(_ text: String, from: Int64, _ schema: Schema) -> String {
        switch schema.migrate(bytes(text), from: from) {
        case .none: "none"
        case .changed(let value, let schema, _): "\(schema): \(String(decoding: value, as: UTF8.self))"
        case .failed(let failure): "failed: \(failure.text)"
        case .newer(let found, let known): "newer: \(found) than \(known)"
        }
    }

    @Test func `a value goes through each step from its own schema on`() {
        #expect(migrated("{\"name\":\"a\"}", from: 1, chain) == "3: {\"meta\":{\"title\":\"a\"},\"kind\":\"chat\"}")
        #expect(migrated("{\"title\":\"a\"}", from: 2, chain) == "3: {\"meta\":{\"title\":\"a\"},\"kind\":\"chat\"}")
        #expect(migrated("{\"name\":\"a\"}", from: 3, chain) == "none")
    }

    @Test func `a value without a number is of the schema that the steps begin with`() {
        #expect(migrated("{\"name\":\"a\"}", from: 0, chain) == "3: {\"meta\":{\"title\":\"a\"},\"kind\":\"chat\"}")
        #expect(migrated("not JSON", from: 0, schema(1)) == "1: not JSON")
    }

    @Test func `a newer schema is not guessed at, and without a policy's there is nothing to do`() {
        #expect(migrated("{}", from: 4, chain) == "newer: 4 than 3")
        #expect(migrated("{}", from: 4, Schema()) == "none")
    }

    @Test func `what can't be migrated stays as it is, and says why`() {
        #expect(migrated("hello", from: 1, chain) == "failed: the value is not JSON: expected a value at byte 0")
        #expect(
            migrated("{\"name\":1,\"title\":2}", from: 1, chain)
                == "failed: the step to 2, rename name: title is there already, and would be lost")
        #expect(
            migrated("{\"title\":1,\"meta\":2}", from: 1, chain)
                == "failed: the step to 3, move title: meta is no object")
        let late = schema(5, SchemaStep(to: 5))
        #expect(migrated("{}", from: 3, late) == "failed: it has schema 3, and the steps begin at 4")
        #expect(migrated("{\"a\": 1}", from: 4, late) == "5: {\"a\": 1}")
    }

    @Test func `the effects say what each operation changed and what was lost`() {
        let removing = schema(2, SchemaStep(to: 2, [remove("l[*].x"), set("m", .number("1"))]))
        let migration = removing.migrate(bytes("{\"l\":[{\"x\":1},{},{\"x\":2}],\"m\":0}"), from: 1)
        guard case .changed(_, _, let effects) = migration else {
            Issue.record("\(migration)")
            return
        }
        #expect(
            effects == [
                MigrationEffect(step: 2, operation: "remove l[*].x", changed: 2, lost: 2),
                MigrationEffect(step: 2, operation: "set m", changed: 1, lost: 1),
            ])
    }

    @Test func `a record's migration leaves its version, its writes and its times`() {
        var record = Record(version: 7, createdAt: now, updatedAt: now)
        record.value = bytes("{\"name\":1}")
        record.operations = [OperationID(rawValue: 9)]
        guard case .changed(let value, let schema, _) = record.migration(to: chain) else {
            Issue.record("not migrated")
            return
        }
        let migrated = record.migrated(value: value, schema: schema)
        #expect(migrated.stamp == record.stamp)
        #expect(migrated.schema == 3)
        #expect(migrated.updatedAt == record.updatedAt)
        #expect(record.tombstone.migration(to: chain) == .none)
        record.value = nil
        #expect(record.migration(to: chain) == .none)
    }

    // MARK: Faults

    @Test(arguments: [
        ([remove("a[*]")], 0, "a[*]: a path ends in a name"), ([give("a.*")], 0, "a.*: a path ends in a name"),
        ([rename("a.b", "b")], 0, "it has that name already"), ([move("a.b", "a.b")], 0, "it has that place already"),
        (
            [move("a[*].b", "c.b")], 0,
            "c.b has other wildcards than a[*].b: a value is moved within the element or member that the last of "
                + "them names"
        ),
        (
            [rename("a", "b"), rename("b", "c")], 1,
            "it touches what rename a touches, and a mapping has no order: put one of them into an element of its own "
                + "with the same to"
        ),
        (
            [set("a"), set("a.b")], 1,
            "it touches what set a touches, and a mapping has no order: put one of them into an element of its own "
                + "with the same to"
        ),
        (
            [rename("user", "person"), remove("user.age")], 1,
            "it is gone by then, after rename user (rename, move, remove, default, set is the order)"
        ),
        (
            [rename("l[*].a", "b"), move("l[*].a", "l[*].c")], 1,
            "it is gone by then, after rename l[*].a (rename, move, remove, default, set is the order)"
        ),
        ([move("a", "b.c"), remove("b")], 1, "it would take away what move a has put there"),
        ([remove("a"), set("a")], 1, "set replaces what is there: leave the remove out"),
        ([remove("a"), give("a")], 1, "after its remove a default is always given: write set"),
        ([rename("a", "b"), set("b")], 1, "it would replace what rename a has put there"),
        ([give("b.c"), set("b")], 1, "it would replace what default b.c has put there"),
    ])
    func `operations that can't be meant are found`(operations: [SchemaOperation], index: Int, text: String) {
        #expect(SchemaStep(to: 2, operations).fault == SchemaFault(operation: index, text: text))
    }

    @Test(arguments: [
        [move("user.name", "profile.name"), remove("user")], [rename("tags", "labels"), give("tags", .array([]))],
        [rename("user", "person"), give("person.locale")], [move("name", "name.full")], [move("name.full", "name")],
        [rename("a", "b"), give("b")], [move("a", "b"), move("c", "d")],
        [rename("l[*].a", "b"), rename("l[*].c", "d")],
        [remove("a"), remove("b")], [rename("a", "b"), move("c", "a"), remove("a2")], [give("a"), set("a.b")],
    ])
    func `operations that go on from each other are let be`(operations: [SchemaOperation]) {
        #expect(SchemaStep(to: 2, operations).fault == nil)
    }
}
