package io.sparkweld.ml

import scala.util.control.NonFatal

import org.apache.spark.ml.attribute.AttributeGroup
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, ScalaUDF}
import org.apache.spark.sql.catalyst.trees.TreePattern.SCALA_UDF
import org.apache.spark.sql.types._

/**
 * The functions of Spark's ML library that the compile service can translate: each family is a table from what a function
 * captured and calls to a description. A model is found by its exact class; a subclass is another model.
 */
object MlStages {
  private val families: Seq[PartialFunction[Closure, MlStage]] =
    Seq(Assembling.stages, Scaling.stages, Categories.stages, Vectors.stages, Texts.stages, LinearModels.stages, Trees.stages,
      OtherModels.stages)

  /** The description of a function. Throws UnknownStage. */
  def of(udf: ScalaUDF): MlStage =
    try {
      val closure = Closure.of(udf.function).getOrElse(throw new UnknownStage("SW900", nameOf(udf)))
      families.find(_.isDefinedAt(closure)).map(_(closure)).getOrElse(throw new UnknownStage("SW900", describe(closure)))
    } catch {
      case unknown: UnknownStage => throw unknown
      case NonFatal(problem) => throw new UnknownStage("SW901", s"${nameOf(udf)}, which cannot be read ($problem)")
    }

  /** The functions of the ML library in an expression. */
  def in(expression: Expression): Seq[ScalaUDF] =
    if (!expression.containsPattern(SCALA_UDF)) Nil
    else expression.collect { case udf: ScalaUDF if Closure.isMl(udf.function) => udf }

  /** Whether columns of this type are vectors of the ML library. */
  def isVector(dataType: DataType): Boolean = dataType.getClass.getName == "org.apache.spark.ml.linalg.VectorUDT"

  /** How many numbers the vectors of a column have, as the transformer that made it says. */
  def sizeOf(column: Attribute): Option[Int] = {
    val group = AttributeGroup.fromStructField(StructField(column.name, column.dataType, column.nullable, column.metadata))
    Some(group.size).filter(_ >= 0)
  }

  /** What is read of a stored vector, which is a struct: (ordinal, name, type, whether it may be NULL), see VectorUDT.sqlType. */
  val StoredFields: Seq[(Int, String, DataType, Boolean)] =
    Seq((0, "type", ByteType, false), (1, "size", IntegerType, true),
      (2, "indices", ArrayType(IntegerType, containsNull = false), true),
      (3, "values", ArrayType(DoubleType, containsNull = false), true))

  /** Whether an expression is the words of a text, or an array of scores: no column of a kernel. */
  def isWords(expression: Expression): Boolean = expression match {
    case udf: ScalaUDF => holdsWords(udf.dataType) && Closure.isMl(udf.function)
    case OneVsRest.Scores(_) => true
    case _ => false
  }

  /** Whether columns of this type may be words. */
  def holdsWords(dataType: DataType): Boolean = dataType match {
    case ArrayType(_: StringType, _) => true
    case _ => false
  }

  def isAssembler(udf: ScalaUDF): Boolean = nameOf(udf) == Assembling.Assembler

  private def nameOf(udf: ScalaUDF): String = udf.function.getClass.getName.takeWhile(_ != '$')

  private def describe(closure: Closure): String = {
    val model = closure.captured.headOption.collect { case model: org.apache.spark.ml.PipelineStage => model.getClass.getName }
    s"${model.getOrElse(closure.owner)}${closure.calls.toSeq.sorted.headOption.map("." + _).getOrElse("")}"
  }
}
