package io.sparkweld
package contract

import com.fasterxml.jackson.databind.JsonNode

/** Identifies a message, its payloads by `digests`, and by position those that it brings. */
final case class Envelope(id: Long, digests: Option[Seq[String]] = None, sent: Option[Seq[Int]] = None)

/** Asks a service for its versions and its host, or to end. */
final case class PlainRequest(op: String)

/** Asks for the object code of a program. */
final case class ObjectRequest(op: String, program: String)

/**
 * Asks about the functions of a chain of plan nodes; `op` names the question, see [[Operation]].
 *
 * @param label names the chain's functions
 * @param steps bottom up; they add columns to `inputs`, of which `outputs` are the result
 * @param stages functions of pyspark.ml
 * @param vectors outputs that are ML vectors
 * @param cpuMs the CPU time that the answer may take
 * @param filtered whether the chain drops rows; with `mayFilter`, the program decides
 * @param rowwise its functions see each row individually
 * @param regrouped Spark would pass other batches than those of its inputs
 * @param wholeBatches each call of the kernel gets a batch of Spark, all of whose rows functions may read
 * @param frames of `aggregate`: rows of a window have frames other than the whole partition
 * @param others of `parts` and `side_condition`: inputs of the joined table
 * @param keys of `partial`: the number of keys before the arguments
 * @param cascades of `cascade`: the folder; `state` changes when the folder does
 * @param rankings of `ranking`: the folder
 * @param has digests of constant blocks that the reply need not bring
 */
final case class CompileRequest(
    op: String,
    label: String,
    inputs: Seq[Input],
    steps: Seq[Step],
    outputs: Seq[String],
    stages: Option[Seq[StageDescription]] = None,
    vectors: Option[Seq[String]] = None,
    cpuMs: Option[Long] = None,
    filtered: Boolean,
    mayFilter: Boolean,
    rowwise: Option[Boolean] = None,
    regrouped: Option[Boolean] = None,
    wholeBatches: Option[Boolean] = None,
    conf: Settings,
    python: WorkerDescription,
    frames: Option[Double] = None,
    others: Option[Seq[String]] = None,
    keys: Option[Int] = None,
    cascades: Option[String] = None,
    rankings: Option[String] = None,
    state: Option[String] = None,
    has: Option[Seq[String]] = None) {

  /** Returns the calls of functions, outer before inner. */
  def calls: Seq[Udf] = steps.flatMap {
    case PythonStep(udfs) => udfs.map(_.udf)
    case GroupsStep(udfs) => udfs.map(_.udf)
    case step: MapStep => Seq(step.udf)
    case _ => Nil
  }.flatMap(_.chain)
}

/** A column of Spark. `type`: Spark's JSON of its type. `state`: "dense" in a batch without NULLs, else "nullable". */
final case class Input(name: String, `type`: JsonNode, nullable: Boolean, state: String)

/** A node of the chain. */
sealed abstract class Step(kind: String) extends Tagged {
  override def tag: (String, String) = "kind" -> kind
}

final case class FilterStep(condition: Expression) extends Step("filter")
final case class ProjectStep(columns: Seq[ProjectedColumn]) extends Step("project")
final case class PythonStep(udfs: Seq[UdfEntry]) extends Step("python")

/** Functions of the whole batch, which is a group; keeps its first row. */
final case class GroupsStep(udfs: Seq[UdfEntry]) extends Step("groups")

/** A function from rows to rows of the columns `results`. */
final case class MapStep(name: String, udf: Udf, results: Seq[String]) extends Step("map")
final case class AggregateStep(keys: Seq[GroupKey], merges: Seq[MergedColumn]) extends Step("aggregate")

final case class ProjectedColumn(name: String, expr: Expression)

/** A call whose result is the column `result`; when that is a struct, the columns `fields`. */
final case class UdfEntry(name: String, result: String, udf: Udf, fields: Option[Seq[String]] = None)

final case class GroupKey(name: String, column: String)

/** A buffer that merges a column by `fn`; "rows" has no column. */
final case class MergedColumn(name: String, fn: String, column: OrNull[String])

/** A call of a Python function. `payload`: the number of its command. */
final case class Udf(
    name: String,
    payload: Int,
    evalType: Int,
    returnType: JsonNode,
    deterministic: Boolean,
    broadcasts: Seq[BroadcastFile],
    args: Seq[Argument]) {

  /** Returns the call and the calls within its arguments. */
  def chain: Seq[Udf] = this +: args.flatMap(_.udf).flatMap(_.chain)
}

/** A broadcast variable of Python, stored in a file. */
final case class BroadcastFile(id: Long, path: String)

/** An argument: an expression, or the result of another call. `name`: of a keyword argument. */
final case class Argument(udf: Option[Udf] = None, expr: Option[Expression] = None, name: OrNull[String] = OrNull(None))

/**
 * A Catalyst expression, in requests and in replies; `type` is Spark's JSON of its type, or "vector".
 *
 * @param name of a column
 * @param size of a stored vector
 * @param value of a literal: floats in hexadecimal, other numbers as decimal strings; none, or null, is NULL
 * @param names of a struct's fields
 * @param stage the number of a function of pyspark.ml
 * @param at the number of an element
 * @param ansi whether overflows raise
 * @param legacy whether the size of NULL is -1
 * @param error the message of an expression that raises
 */
final case class Expression(
    op: String,
    name: Option[String] = None,
    `type`: JsonNode,
    nullable: Option[Boolean] = None,
    size: Option[OrNull[Int]] = None,
    value: Option[JsonNode] = None,
    args: Option[Seq[Expression]] = None,
    names: Option[Seq[String]] = None,
    stage: Option[Int] = None,
    at: Option[Int] = None,
    ansi: Option[Boolean] = None,
    zone: Option[String] = None,
    legacy: Option[Boolean] = None,
    error: Option[String] = None)

object Expression {
  implicit val decoder: Decoder[Expression] = Decoder.defer(Decoder.of((Expression.apply _).curried))
}

/**
 * The settings of the session that affect a function's meaning or its program.
 *
 * @param modelBytes the largest total size of constants
 * @param bounds whether bounds of models are used; a number of rows of a task leaves the choice to the service, within `timeout`
 * @param pandas the settings that workers see
 * @param blockRows of `fuse`: the rows of a block, 0 for the service's choice
 * @param deniedModules patterns of modules whose functions are left to Spark; `allowedModules`: one must match a function's module
 */
final case class Settings(
    exact: Option[Boolean] = None,
    timezone: String,
    ansi: Option[Boolean] = None,
    modelBytes: Option[Long] = None,
    bounds: Option[Either[Boolean, Long]] = None,
    timeout: Option[Long] = None,
    pandas: Option[Map[String, String]] = None,
    blockRows: Option[Int] = None,
    deniedModules: Option[Seq[String]] = None,
    allowedModules: Option[Seq[String]] = None)

/**
 * The workers of the functions.
 *
 * @param local whether workers run on this machine, in this JVM's folder
 * @param importable whether workers import from their own `folder`
 * @param includes folders and archives on their import path
 * @param versions of their Python
 * @param modules digests that modules must have, by name
 */
final case class WorkerDescription(
    local: Option[Boolean] = None,
    importable: Option[Boolean] = None,
    folder: Option[String] = None,
    includes: Seq[String],
    versions: Option[Seq[String]] = None,
    files: Option[FileAccess] = None,
    modules: Option[Map[String, String]] = None)

/** Permits functions to load files of at most `limit` bytes. `wanted`: the digests that they must have, by name. */
final case class FileAccess(limit: Long, folder: String, jobFiles: String, wanted: Option[Map[String, String]] = None)

/** A function of pyspark.ml: its settings, and its learned numbers. */
final case class StageDescription(name: String, params: Map[String, JsonNode], arrays: Map[String, StageArray])

/** Little-endian values of a NumPy type, in the payload number `blob`. */
final case class StageArray(dtype: String, blob: Int)
