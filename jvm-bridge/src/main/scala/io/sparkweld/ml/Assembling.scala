package io.sparkweld
package ml

/** Describes VectorAssembler, Interaction, and the functions that convert between vectors and arrays. */
private[ml] object Assembling {
  val Assembler = "org.apache.spark.ml.feature.VectorAssembler"

  /** The owners of the functions between vectors and arrays; the second is that of Spark 3. */
  private val Internal = Set("org.apache.spark.sql.ml.InternalFunctionRegistration", "org.apache.spark.ml.functions")

  val stages: PartialFunction[Closure, MlStage] = {
    case Closure(Assembler, calls, Seq(lengths: Array[Int], keepInvalid)) if calls("assemble") =>
      MlStage("VectorAssembler").ints("lengths", lengths).flag("keepInvalid", keepInvalid == true)
    case Closure("org.apache.spark.ml.feature.Interaction", _, Seq(encoders: Array[AnyRef])) =>
      // For each number of each column: the count of its categories, 1 for a number that is not categorical.
      val counts = encoders.map(Vectors.fieldOf(_, "numFeatures").asInstanceOf[Array[Int]])
      MlStage("Interaction").ints("lengths", counts.map(_.length)).ints("counts", counts.flatten)
    case Closure(owner, calls, Seq()) if Internal(owner) && calls("toArray") => MlStage("vector_to_array")
    case Closure(owner, calls, Seq()) if Internal(owner) && calls == Set("dense") => MlStage("array_to_vector")
  }
}
