package io.sparkweld
package ml

import scala.util.control.NonFatal

import org.apache.spark.ml.attribute.AttributeGroup
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, ScalaUDF}
import org.apache.spark.sql.catalyst.trees.TreePattern.SCALA_UDF
import org.apache.spark.sql.types._

/**
 * Describes the functions of Spark's ML library that the compile service can translate.
 *
 * Each family is a table from captured values and called methods to a description. A model matches by its exact class; a subclass
 * is another model.
 */
object MlStages {
  private val families: Seq[PartialFunction[Closure, MlStage]] =
    Seq(Assembling.stages, Scaling.stages, Categories.stages, Vectors.stages, StringFeatures.stages, LinearModels.stages, Trees.stages,
      OtherModels.stages)

  /** Returns the description of a function. Throws UnknownStage. */
  def of(udf: ScalaUDF): MlStage =
    try {
      val closure = Closure.of(udf.function).getOrElse(throw new UnknownStage("SW900", nameOf(udf)))
      families.find(_.isDefinedAt(closure)).map(_(closure)).getOrElse(throw new UnknownStage("SW900", describe(closure)))
    } catch {
      case unknown: UnknownStage => throw unknown
      case NonFatal(problem) => throw new UnknownStage("SW901", s"${nameOf(udf)}, which cannot be read ($problem)")
    }

  /** Returns the functions of the ML library in an expression. */
  def in(expression: Expression): Seq[ScalaUDF] =
    if (!expression.containsPattern(SCALA_UDF)) Nil
    else expression.collect { case udf: ScalaUDF if Closure.isMl(udf.function) => udf }

  /** Whether columns of this type are vectors of the ML library. */
  def isVector(dataType: DataType): Boolean = dataType.getClass.getName == "org.apache.spark.ml.linalg.VectorUDT"

  /** Returns the size of a column's vectors, from the metadata of the transformer that made it. */
  def sizeOf(column: Attribute): Option[Int] = {
    val group = AttributeGroup.fromStructField(StructField(column.name, column.dataType, column.nullable, column.metadata))
    Some(group.size).filter(_ >= 0)
  }

  /** The fields of a stored vector, a struct, that are read: (ordinal, name, type), see VectorUDT.sqlType. */
  val StoredFields: Seq[(Int, String, DataType)] =
    Seq((0, "type", ByteType), (1, "size", IntegerType), (2, "indices", ArrayType(IntegerType, containsNull = false)),
      (3, "values", ArrayType(DoubleType, containsNull = false)))

  /** Whether an expression is a token list or an array of scores, neither of which is a column of a kernel. */
  def isWords(expression: Expression): Boolean = expression match {
    case udf: ScalaUDF => holdsWords(udf.dataType) && Closure.isMl(udf.function)
    case OneVsRest.Scores(_) => true
    case _ => false
  }

  /** Whether columns of this type may be token lists. */
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
