package io.sparkweld
package rules

import scala.collection.mutable
import scala.jdk.CollectionConverters._

import io.sparkweld.{contract, SparkWeldConf}
import io.sparkweld.columns.{ColumnLayout, NestedColumns, NestedParts}
import io.sparkweld.compile.{Digests, PipelineRequest, ServiceCommand, WorkerPaths, WorkerPython}
import io.sparkweld.contract.OrNull
import io.sparkweld.ml.{MlStages, OneVsRest, StageTable, UnknownStage}
import io.sparkweld.plan._
import io.sparkweld.spark.{CurrentSpark, EvalTypes, PythonAggregate}
import io.sparkweld.support.{ExpressionCodec, Refusal, UnsupportedExpression}

import org.apache.spark.SparkConf
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._

/** Reports that the chain cannot be sent: `refusal` has the reason, its `step` the node. */
final class ChainRefused(val refusal: Refusal) extends RuntimeException(refusal.text)

/**
 * Builds a pipeline request from a chain of nodes (bottom up) over a child.
 *
 * Columns that the chain only passes through, renamed or not, are not in the request; the layout has their positions in the
 * batch.
 *
 * @param regrouped whether Spark would pass other batches than those of the child to one of its functions
 * @param wholeBatches whether its functions may read all rows of their batch, as the kernel gets the batches of Spark
 * @param nullStructs whether the struct that a plain UDF returns may be NULL; otherwise its rows with None are flagged
 */
final class PipelineBuilder(
    nodes: Seq[SparkPlan],
    childOutput: Seq[Attribute],
    service: Option[ServiceCommand],
    conf: SQLConf,
    appConf: SparkConf,
    regrouped: Boolean = false,
    wholeBatches: Boolean = false,
    nullStructs: Boolean = false) {
  import PipelineBuilder._

  private val sources = mutable.HashMap.empty[ExprId, Source]
  private val inputs = mutable.LinkedHashMap.empty[(Seq[Int], Seq[Int]), Input]
  private val blobs = mutable.ArrayBuffer.empty[Array[Byte]]
  private val payloads = mutable.HashMap.empty[String, Int]
  private val includes = mutable.LinkedHashSet.empty[String]
  private val versions = mutable.LinkedHashSet.empty[String] // of the workers' Python
  private val commands = mutable.LinkedHashSet.empty[ServiceCommand]
  private val workers = mutable.LinkedHashSet.empty[WorkerPython]
  private val names = mutable.LinkedHashSet.empty[String]
  private val steps = mutable.ArrayBuffer.empty[contract.Step]
  private var numbered = 0
  private var step = 0
  private var filters = false
  private var visible: Map[ExprId, Attribute] = Map.empty
  private var taking: Option[PythonUDF] = None // the UDF whose argument is being encoded
  private val words = mutable.HashMap.empty[String, Int] // columns of tokens or scores, and the step that made each
  private val stages = new StageTable(blob)
  private val codec = new ExpressionCodec(column, field, presence, fromHere, stage)
  private val maps = nodes.flatMap(Step.of(_)).exists(step => step.isInstanceOf[MapStep] || step.isInstanceOf[GroupStep])
  private val hasNullStructs = nullStructs && !nodes.exists(PipelineBuilder.takesStruct) // arguments have no NULL structs
  private val seesBatchState = nodes.exists(PipelineBuilder.seesBatchState) // otherwise each NULL is read by itself

  childOutput.zipWithIndex.foreach { case (attribute, i) => sources(attribute.exprId) = FromChild(i) }

  /** Builds the request. Throws ChainRefused. */
  def build(): Pipeline = {
    nodes.zipWithIndex.foreach { case (node, i) =>
      step = i
      visible = node.children.head.output.map(a => a.exprId -> a).toMap
      try add(node)
      catch {
        case unsupported: UnsupportedExpression =>
          throw new ChainRefused(Refusal("SW304", "what" -> unsupported.what, "node" -> node.nodeName).copy(step = Some(step)))
        case unknown: UnknownStage => throw new ChainRefused(Refusal(unknown.code, "what" -> unknown.what).copy(step = Some(step)))
      }
    }
    finish()
  }

  private def add(node: SparkPlan): Unit = Step.of(node) match {
    case Some(FilterStep(condition)) =>
      steps += contract.FilterStep(codec.encode(condition))
      filters = true
    case Some(ProjectStep(columns)) => addProject(columns)
    case Some(PythonStep(udfs, results, _, _)) => addPython(udfs, results)
    case Some(MapStep(function, output, _)) => addMap(function, Seq(node.children.head.output), output)
    case Some(GroupMapStep(function, grouping, output)) =>
      addMap(function, Seq(function.children.collect { case column: Attribute => column }, grouping), output)
    case Some(GroupAggregateStep(aggregate)) => addAggregate(aggregate)
    case None => throw new UnsupportedExpression(node.nodeName)
  }

  private def addProject(columns: Seq[NamedExpression]): Unit = {
    val computed = mutable.ArrayBuffer.empty[contract.ProjectedColumn]
    val made = columns.map {
      case attribute: Attribute => attribute.exprId -> sourceOf(attribute)
      case alias @ Alias(attribute: Attribute, _) => alias.exprId -> sourceOf(attribute)
      case alias: Alias =>
        val isWords = MlStages.isWords(alias.child)
        if (!isWords && !ExpressionCodec.holds(alias.dataType) && !MlStages.isVector(alias.dataType)) {
          throw new UnsupportedExpression(s"${alias.child.prettyName} of type ${alias.dataType.sql}")
        }
        val name = fresh(if (isWords) "words" else alias.name) // OneVsRestModel generates a new name for each query
        if (isWords) words(name) = step
        computed += contract.ProjectedColumn(name, codec.encode(alias.child))
        alias.exprId -> Made(name, alias.dataType)
      case other => throw new UnsupportedExpression(other.prettyName)
    }
    sources ++= made
    steps += contract.ProjectStep(computed.toSeq)
  }

  private def addPython(udfs: Seq[PythonUDF], results: Seq[Attribute]): Unit = {
    steps += contract.PythonStep(entries(udfs, results))
  }

  /** Adds the keys, the functions of groups, and the columns over both. One row of each group remains. */
  private def addAggregate(aggregate: PythonAggregate): Unit = {
    addProject(aggregate.grouping)
    steps += contract.GroupsStep(entries(aggregate.udfs, aggregate.results))
    filters = true
    addProject(aggregate.columns)
  }

  private def entries(udfs: Seq[PythonUDF], results: Seq[Attribute]): Seq[contract.UdfEntry] =
    udfs.zip(results).map { case (udf, result) =>
      val entry = contract.UdfEntry(udf.name, fresh(result.name), function(udf))
      NestedColumns.of(result.dataType) match {
        case Some(_) if MlStages.isVector(result.dataType) =>
          sources(result.exprId) = MadeNested(Seq(entry.result), result.dataType)
          entry
        case Some(columns) =>
          val presence = Option.when(hasNullStructs && EvalTypes.isPlain(udf.evalType))(NestedColumns.presenceOf(result.dataType)).flatten
          val names = (columns ++ presence).map { case (part, _) => fresh(s"${result.name}.$part") }
          sources(result.exprId) = MadeNested(names, result.dataType)
          entry.copy(fields = Some(names))
        case None =>
          sources(result.exprId) = Made(entry.result, result.dataType)
          entry
      }
    }

  /** Adds a map, which is a function from structs, such as the row, to the columns of another. */
  private def addMap(udf: PythonUDF, inputs: Seq[Seq[Attribute]], output: Seq[Attribute]): Unit = {
    val call = function(udf, Nil)
    def value(column: Attribute) = if (ColumnLayout.isUnscaled(column.dataType)) partwise(udf, column) else codec.encode(column)
    val rows = inputs.map(input => struct(udf, DataTypeUtils.fromAttributes(input))(input.map(value)))
    val results = output.map { attribute =>
      val name = fresh(attribute.name)
      sources(attribute.exprId) = Made(name, attribute.dataType)
      name
    }
    steps += contract.MapStep(udf.name, call.copy(args = rows.map(row => contract.Argument(expr = Some(row)))), results)
  }

  /** Returns a struct of the fields `of`, an argument of `udf`. */
  private def struct(udf: PythonUDF, dataType: StructType)(of: => Seq[contract.Expression]): contract.Expression = {
    taking = Some(udf)
    try contract.Expression("CreateNamedStruct", `type` = ExpressionCodec.typeOf(dataType), nullable = Some(false), args = Some(of),
      names = Some(dataType.fieldNames.toSeq))
    finally taking = None
  }

  private def function(udf: PythonUDF): contract.Udf = function(udf, udf.children)

  private def function(udf: PythonUDF, children: Seq[Expression]): contract.Udf = {
    names += udf.name
    Controls.refusalOf(udf.name, conf).foreach(refusal => throw refusedUdf(udf, refusal))
    if (!SparkWeldConf.Unpickle.get(appConf)) throw refusedUdf(udf, Refusal("SW871"))
    if (!udf.udfDeterministic) throw refusedUdf(udf, Refusal("SW302", "udf" -> udf.name))
    val function = udf.func
    commands += ServiceCommand.of(function.pythonExec, function.envVars, appConf)
    workers += WorkerPython.of(function.pythonExec, function.envVars, function.pythonIncludes)
    includes ++= WorkerPaths.includes(function.pythonIncludes.asScala.toSeq)
    versions += function.pythonVer
    val number = payload(function.command)
    val variables = function.broadcastVars.asScala
    if (variables.nonEmpty && CurrentSpark.broadcastsAreEncrypted) throw refusedUdf(udf, Refusal("SW303", "udf" -> udf.name))
    val broadcasts = variables.map(variable => contract.BroadcastFile(variable.id, variable.value.path)).toSeq
    contract.Udf(udf.name, number, udf.evalType, ExpressionCodec.typeOf(udf.dataType), udf.udfDeterministic, broadcasts,
      children.map(argument(udf, _)))
  }

  private def argument(udf: PythonUDF, child: Expression): contract.Argument = {
    val (name, value) = child match {
      case NamedArgumentExpression(key, named) if CurrentSpark.passesNamedArguments => (OrNull(Some(key)), named)
      case positional => (OrNull(None), positional)
    }
    value match {
      case inner: PythonUDF => contract.Argument(udf = Some(function(inner)), name = name)
      case attribute: Attribute if attribute.dataType.isInstanceOf[StructType] =>
        contract.Argument(expr = Some(flatten(udf, attribute)), name = name)
      case attribute: Attribute if isPartwise(attribute.dataType) =>
        contract.Argument(expr = Some(partwise(udf, attribute)), name = name)
      case computed if isOfDecimals(computed) =>
        throw refusedUdf(udf, Refusal("SW306", "udf" -> udf.name, "what" -> s"${computed.prettyName} of decimals"))
      case expression =>
        taking = Some(udf)
        try contract.Argument(expr = Some(withParts(udf, expression)), name = name)
        catch {
          case unsupported: UnsupportedExpression =>
            throw refusedUdf(udf, Refusal("SW306", "udf" -> udf.name, "what" -> unsupported.what))
          case unknown: UnknownStage => throw refusedUdf(udf, Refusal(unknown.code, "what" -> unknown.what))
        }
        finally taking = None
    }
  }

  /**
   * Encodes a struct column of the child as a struct of its fields' columns. A batch in which the struct itself is NULL runs in
   * Python.
   */
  private def flatten(udf: PythonUDF, attribute: Attribute): contract.Expression = {
    val dataType = attribute.dataType.asInstanceOf[StructType]
    sources.get(attribute.exprId) match {
      case Some(_: FromChild | _: MadeNested) => ()
      case _ => throw refusedUdf(udf, Refusal("SW305", "udf" -> udf.name, "column" -> attribute.name))
    }
    struct(udf, dataType)(dataType.fields.indices.map(field(attribute, _)))
  }

  /** Whether it is a type of arguments only: binary, a decimal, a map, or an array of structs, arrays or maps. */
  private def isPartwise(dataType: DataType): Boolean = ColumnLayout.isOfFunctions(dataType) || NestedParts.holds(dataType)

  /** Whether an expression computes with decimals, as kernels do only within functions. */
  private def isOfDecimals(expression: Expression): Boolean = expression match {
    case _: Attribute | _: GetStructField | _: CreateNamedStruct => false
    case other => other.exists(_.dataType.isInstanceOf[DecimalType])
  }

  /** Encodes an argument, which may be a struct of columns that only arguments have. */
  private def withParts(udf: PythonUDF, expression: Expression): contract.Expression = expression match {
    case struct: CreateNamedStruct if struct.exists(inside => isPartwise(inside.dataType)) =>
      val values = struct.valExprs.map {
        case attribute: Attribute if isPartwise(attribute.dataType) => partwise(udf, attribute)
        case other => withParts(udf, other)
      }
      contract.Expression("CreateNamedStruct", `type` = ExpressionCodec.typeOf(struct.dataType), nullable = Some(false),
        args = Some(values), names = Some(struct.names.map(String.valueOf(_))))
    case other => codec.encode(other)
  }

  private def partwise(udf: PythonUDF, attribute: Attribute): contract.Expression = sources.get(attribute.exprId) match {
    case Some(FromChild(i)) => partwise(Seq(i), childOutput(i).name, attribute.dataType, childOutput(i).nullable)
    case Some(Made(name, dataType)) if ColumnLayout.isUnscaled(dataType) => ExpressionCodec.column(name, dataType, attribute.nullable)
    case _ => throw wrongType(udf, attribute.name, attribute.dataType)
  }

  /** Encodes a column of the child, or a field of it, as the arrays of its parts. */
  private def partwise(path: Seq[Int], title: String, dataType: DataType, nullable: Boolean): contract.Expression = {
    def column(part: Seq[Int], name: String, of: DataType): contract.Expression = {
      val input = inputAt(path, name, of, nullable, part)
      if (!ColumnLayout.isUnscaled(of)) input.nulls = NullPolicy.Read // pandas functions take decimals, too
      ExpressionCodec.column(input.name, of, nullable)
    }
    if (ColumnLayout.isOfFunctions(dataType)) column(Nil, title, dataType) else new PartExpressions(nullable, column).of(dataType, title)
  }

  /** Encodes a field of a struct column, or of the struct that a UDF of this chain returns. */
  private def field(attribute: Attribute, ordinal: Int): contract.Expression = {
    val struct = attribute.dataType.asInstanceOf[StructType]
    val (field, title) = (struct(ordinal), s"${attribute.name}.${struct(ordinal).name}")
    if (!ExpressionCodec.holds(field.dataType)) {
      val inside = (taking, sourceOf(attribute)) match {
        case (Some(udf), FromChild(i)) => nested(udf, Seq(i, ordinal), title, field.dataType, field.nullable)
        case _ => None
      }
      inside.getOrElse {
        taking.foreach(udf => throw wrongType(udf, title, field.dataType))
        throw new UnsupportedExpression(s"$title of type ${field.dataType.sql}")
      }
    } else sourceOf(attribute) match {
      case MadeNested(names, _) =>
        val first = struct.fields.take(ordinal).map(NestedColumns.columnsOf(_).size).sum
        ExpressionCodec.column(names(first), field.dataType, field.nullable || hasPresence(names, struct))
      case FromChild(i) =>
        val input = inputAt(Seq(i, ordinal), title, field.dataType, field.nullable)
        ExpressionCodec.column(input.name, field.dataType, field.nullable)
      case Made(_, dataType) => throw new UnsupportedExpression(s"a field of ${dataType.sql}")
    }
  }

  /** Encodes the column that is NULL where the struct that a UDF of this chain returns is. */
  private def presence(attribute: Attribute): contract.Expression = sourceOf(attribute) match {
    case MadeNested(names, dataType) if hasPresence(names, dataType) => ExpressionCodec.column(names.last, BooleanType, nullable = true)
    case _ => throw new UnsupportedExpression(s"${attribute.name} of type ${attribute.dataType.sql}")
  }

  private def hasPresence(names: Seq[String], dataType: DataType): Boolean = names.size > NestedColumns.of(dataType).get.size

  /** Encodes a field of the child's struct that is a struct, or of a type that only arguments have; None for another type. */
  private def nested(udf: PythonUDF, path: Seq[Int], title: String, dataType: DataType, nullable: Boolean): Option[contract.Expression] =
    dataType match {
      case of: StructType =>
        val fields = of.fields.toSeq.zipWithIndex.map { case (field, i) =>
          val (inside, name) = (path :+ i, s"$title.${field.name}")
          if (!ExpressionCodec.holds(field.dataType)) {
            nested(udf, inside, name, field.dataType, field.nullable).getOrElse(throw wrongType(udf, name, field.dataType))
          } else ExpressionCodec.column(inputAt(inside, name, field.dataType, field.nullable).name, field.dataType, field.nullable)
        }
        Some(contract.Expression("CreateNamedStruct", `type` = ExpressionCodec.typeOf(of), nullable = Some(false), args = Some(fields),
          names = Some(of.fieldNames.toSeq)))
      case other if isPartwise(other) => Some(partwise(path, title, other, nullable))
      case _ => None
    }

  private def column(attribute: Attribute): contract.Expression = {
    val nullable = visible.getOrElse(attribute.exprId, attribute).nullable
    if (MlStages.isVector(attribute.dataType)) return fromHere(attribute)
    if (!ExpressionCodec.holds(attribute.dataType)) {
      taking.foreach(udf => throw wrongType(udf, attribute.name, attribute.dataType))
      throw new UnsupportedExpression(s"${attribute.name} of type ${attribute.dataType.sql}")
    }
    sourceOf(attribute) match {
      case Made(name, dataType) if words.contains(name) => throw new UnsupportedExpression(s"${attribute.name} of type ${dataType.sql}")
      case Made(name, _) => ExpressionCodec.column(name, attribute.dataType, nullable)
      case FromChild(i) =>
        val input = inputAt(Seq(i), childOutput(i).name, attribute.dataType, childOutput(i).nullable)
        ExpressionCodec.column(input.name, attribute.dataType, nullable)
      case MadeNested(_, dataType) => throw new UnsupportedExpression(s"${attribute.name} of type ${dataType.sql}")
    }
  }

  /**
   * Encodes a vector or a token list, neither of which is a column of a kernel; so the chain must make it, or take a stored
   * vector apart.
   */
  private def fromHere(attribute: Attribute): contract.Expression = sourceOf(attribute) match {
    case Made(name, dataType) => ExpressionCodec.column(name, dataType, attribute.nullable)
    case MadeNested(Seq(name), dataType) if MlStages.isVector(dataType) =>
      contract.Expression("DenseVector", Some(attribute.name), ExpressionCodec.typeOf(dataType), Some(attribute.nullable),
        args = Some(Seq(ExpressionCodec.column(name, NestedColumns.Numbers, attribute.nullable))))
    case FromChild(i) if MlStages.isVector(attribute.dataType) =>
      val fields = MlStages.StoredFields.map { case (ordinal, name, dataType) =>
        val input = inputAt(Seq(i, ordinal), s"${attribute.name}.$name", dataType, nullable = true)
        input.nulls = NullPolicy.ReadWithStruct
        ExpressionCodec.column(input.name, dataType, nullable = true)
      }
      contract.Expression("StoredVector", Some(attribute.name), ExpressionCodec.typeOf(attribute.dataType), Some(attribute.nullable),
        size = Some(OrNull(MlStages.sizeOf(attribute))), args = Some(fields))
    case FromChild(_) if OneVsRest.holdsScores(attribute.dataType) => column(attribute) // the array of an array_to_vector
    case _ =>
      val refusal = Refusal("SW902", "column" -> attribute.name).copy(step = Some(step))
      throw taking.map(refusedUdf(_, refusal)).getOrElse(new ChainRefused(refusal))
  }

  /** Returns the step that made a column of tokens. */
  private def wordsOf(attribute: Attribute): Option[Int] = sourceOf(attribute) match {
    case Made(name, _) => words.get(name)
    case _ => None
  }

  private def inputAt(path: Seq[Int], name: String, dataType: DataType, nullable: Boolean, part: Seq[Int] = Nil): Input =
    inputs.getOrElseUpdate((path, part), new Input(fresh(name), path, dataType, nullable, part,
      if (!nullable) NullPolicy.Python else if (seesBatchState) NullPolicy.ofSeries(dataType) else NullPolicy.Read))

  private def finish(): Pipeline = {
    if (appConf.getBoolean("spark.python.profile", defaultValue = false)) {
      throw new ChainRefused(Refusal("SW111", "conf" -> "spark.python.profile", "value" -> "true"))
    }
    commands ++= service.filter(_ => commands.isEmpty)
    if (commands.size != 1) throw new ChainRefused(Refusal("SW307"))
    nodes.last.output.foreach(attribute => wordsOf(attribute).foreach { step =>
      val what = if (MlStages.holdsWords(attribute.dataType)) "has words" else "has scores of several models"
      throw new ChainRefused(Refusal("SW903", "column" -> attribute.name, "what" -> what).copy(step = Some(step)))
    })
    val outputs = PipelineOutputs(nodes.last.output.map(sourceOf))
    val kernelInputs = inputs.values.map(input => KernelInput(input.path.toArray, input.dataType, input.nulls, input.part))
    Pipeline(PipelineRequest(commands.head, request(outputs), blobs.toSeq), kernelInputs.toArray, outputs.layout,
      outputs.nested.toArray, outputs.types.toArray, names.toSeq ++ stages.names, filters || maps, workers.toSeq)
  }

  /** Estimated rows per task; 0 when unknown, or without a filter, because only filters use it. */
  private lazy val rows: Long =
    if (!filters && !maps) 0L
    else nodes.iterator.flatMap(_.logicalLink).map(RowEstimate.ofTask(_, conf)).nextOption().getOrElse(0L)

  private def request(outputs: PipelineOutputs): contract.CompileRequest = {
    val hasStages = !stages.isEmpty
    contract.CompileRequest(
      op = contract.Operation.Compile.name,
      label = (names ++ stages.names).mkString(", "),
      inputs = inputs.values.map { input =>
        val state = if (input.nulls.isRead) "nullable" else "dense"
        contract.Input(input.name, ExpressionCodec.typeOf(input.dataType), input.nullable, state)
      }.toList,
      steps = steps.toList,
      outputs = outputs.names,
      stages = Option.when(hasStages)(stages.descriptions),
      vectors = Option.when(hasStages && outputs.vectors.nonEmpty)(outputs.vectors),
      cpuMs = Some(SparkWeldConf.CompileCpuTime.get(conf)),
      filtered = filters,
      mayFilter = maps,
      rowwise = Some(!seesBatchState && !maps && !filters && outputs.nested.forall(_.isRowLocal) && (names.nonEmpty || hasStages)),
      regrouped = Some(regrouped),
      wholeBatches = Option.when(wholeBatches)(true),
      conf = PipelineSettings.of(conf, rows),
      python = PipelineSettings.python(conf, appConf, includes.toSeq, versions.toSeq))
  }

  private def sourceOf(attribute: Attribute): Source =
    sources.getOrElse(attribute.exprId, throw new UnsupportedExpression(s"${attribute.name}, which the chain does not have"))

  private def fresh(name: String): String = {
    numbered += 1
    s"$name#${numbered - 1}"
  }

  private def stage(function: ScalaUDF): Int = {
    val number = stages.number(function)
    Controls.refusalOf(stages.nameOf(number), conf).foreach(refusal => throw new ChainRefused(refusal.copy(step = Some(step))))
    number
  }

  private def payload(command: Seq[Byte]): Int = {
    val bytes = Digests.arrayOf(command)
    payloads.getOrElseUpdate(Digests.of(bytes), blob(bytes))
  }

  private def blob(bytes: Array[Byte]): Int = {
    blobs += bytes
    blobs.size - 1
  }

  private def wrongType(udf: PythonUDF, column: String, dataType: DataType): ChainRefused =
    refusedUdf(udf, Refusal("SW101", "column" -> column, "type" -> dataType.simpleString))

  private def refusedUdf(udf: PythonUDF, refusal: Refusal): ChainRefused =
    new ChainRefused(refusal.copy(udf = Some(udf.name), step = Some(step)))
}

object PipelineBuilder {
  private final class Input(
      val name: String,
      val path: Seq[Int],
      val dataType: DataType,
      val nullable: Boolean,
      val part: Seq[Int],
      var nulls: NullPolicy)

  /** Whether the UDFs of a node see the NULLs of their whole batch, as the dtype. */
  def seesBatchState(node: SparkPlan): Boolean = Step.of(node) match {
    case Some(PythonStep(_, _, evalType, _)) => EvalTypes.seesBatchState(evalType)
    case Some(MapStep(_, _, evalType)) => EvalTypes.seesBatchState(evalType)
    case Some(_: GroupStep) => true
    case _ => false
  }

  /** Whether a function of a node takes a struct column. */
  private def takesStruct(node: SparkPlan): Boolean =
    node.expressions.exists(_.exists {
      case udf: PythonUDF => udf.children.exists(_.exists {
        case attribute: Attribute => attribute.dataType.isInstanceOf[StructType]
        case _ => false
      })
      case _ => false
    })
}
